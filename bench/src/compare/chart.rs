//! Charts as SVG, for a page that needs nothing from elsewhere.

use anyhow::anyhow;
use plotters::prelude::*;
use plotters::style::full_palette as palette;

use super::{Row, SIZES};

const WIDTH: u32 = 900;

fn color(index: usize) -> RGBColor {
    const COLORS: [RGBColor; 13] = [
        palette::RED_600,
        palette::PINK_300,
        palette::PURPLE_400,
        palette::INDIGO_400,
        palette::BLUE_300,
        palette::CYAN_600,
        palette::TEAL_600,
        palette::LIGHTGREEN_600,
        palette::LIME_700,
        palette::ORANGE_800,
        palette::AMBER_600,
        palette::BROWN_400,
        palette::GREY_600,
    ];
    COLORS[index % COLORS.len()]
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("draw a chart: {error}")
}

/// A bar for each way, on a logarithmic axis.
pub(super) fn bars(title: &str, unit: &str, rows: &[Row], of: impl Fn(&Row) -> Option<f64>) -> anyhow::Result<String> {
    let bars: Vec<_> = rows.iter().enumerate().filter_map(|(at, row)| of(row).map(|value| (at, row, value))).collect();
    let low = bars.iter().map(|bar| bar.2).fold(f64::INFINITY, f64::min);
    let high = bars.iter().map(|bar| bar.2).fold(0.0, f64::max);
    if bars.is_empty() {
        return Ok(String::new());
    }
    let (low, high) = (10_f64.powf((low / 1.5).log10().floor()), high * 3.0);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 60 + 26 * bars.len() as u32)).into_drawing_area();
        let count = bars.len() as f64;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(8)
            .x_label_area_size(34)
            .y_label_area_size(180)
            .build_cartesian_2d((low..high).log_scale(), 0.0..count)
            .map_err(failed)?;
        let label = |at: &f64| {
            let nth = (count - at).floor() as usize;
            bars.get(nth).map_or(String::new(), |bar| bar.1.facts.name.to_owned())
        };
        let mut mesh = chart.configure_mesh();
        mesh.disable_y_mesh().x_desc(unit).y_labels(0).y_label_formatter(&label).light_line_style(WHITE);
        mesh.draw().map_err(failed)?;
        for (nth, (at, row, value)) in bars.iter().enumerate() {
            let top = count - nth as f64;
            let bar = Rectangle::new([(low, top - 0.15), (*value, top - 0.85)], color(*at).filled());
            chart.draw_series([bar]).map_err(failed)?;
            let text = format!("{} {value:.0}", row.facts.name);
            let style = ("sans-serif", 13).into_font().color(&BLACK);
            let text = Text::new(text, (low * 1.05, top - 0.68), style);
            chart.draw_series([text]).map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// Bytes a second over the size of a message, a line for each way.
pub(super) fn throughput(rows: &[Row]) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 460)).into_drawing_area();
        let points = |row: &Row| -> Vec<(f64, f64)> {
            let sizes = SIZES.iter().map(|(bytes, _)| *bytes as f64);
            let measured = sizes.zip(&row.messages_per_second);
            measured.filter_map(|(bytes, rate)| rate.map(|rate| (bytes, rate * bytes / 1e6))).collect()
        };
        let all: Vec<f64> = rows.iter().flat_map(points).map(|(_, rate)| rate).collect();
        let low = all.iter().copied().fold(f64::INFINITY, f64::min).max(1e-3);
        let high = all.iter().copied().fold(1.0, f64::max) * 2.0;
        let mut chart = ChartBuilder::on(&area)
            .caption("Throughput by the size of a message", ("sans-serif", 18))
            .margin(8)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d((6.0..2e6).log_scale(), (low / 2.0..high).log_scale())
            .map_err(failed)?;
        let mut mesh = chart.configure_mesh();
        mesh.x_desc("bytes of a message").y_desc("MB a second").light_line_style(WHITE);
        mesh.draw().map_err(failed)?;
        for (at, row) in rows.iter().enumerate() {
            let style = color(at).stroke_width(2);
            let line = chart.draw_series(LineSeries::new(points(row), style).point_size(3)).map_err(failed)?;
            line.label(row.facts.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        }
        let labels = &mut chart.configure_series_labels();
        labels
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(palette::GREY_300);
        labels.label_font(("sans-serif", 12)).draw().map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}
