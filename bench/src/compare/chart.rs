//! Charts as SVG, for a page that needs nothing from elsewhere.

use anyhow::anyhow;
use plotters::prelude::*;
use plotters::style::full_palette as palette;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Row, SIZES, time};

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

const NAMES_WIDTH: u32 = 190;
const INK: RGBColor = RGBColor(40, 40, 40);

/// A bar for each way, on a logarithmic axis of ns: its name before it, its value behind it.
pub(super) fn bars(title: &str, rows: &[Row], of: impl Fn(&Row) -> Option<f64>) -> anyhow::Result<String> {
    let bars: Vec<_> = rows.iter().enumerate().filter_map(|(at, row)| of(row).map(|value| (at, row, value))).collect();
    if bars.is_empty() {
        return Ok(String::new());
    }
    let low = bars.iter().map(|bar| bar.2).fold(f64::INFINITY, f64::min);
    let high = bars.iter().map(|bar| bar.2).fold(0.0, f64::max);
    let (low, high) = (10_f64.powf((low / 1.5).log10().floor()), high * 3.0);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 90 + 26 * bars.len() as u32)).into_drawing_area();
        let count = bars.len() as f64;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 18))
            .margin(8)
            .margin_right(20)
            .x_label_area_size(30)
            .y_label_area_size(NAMES_WIDTH)
            .build_cartesian_2d((low..high).log_scale(), 0.0..count)
            .map_err(failed)?;
        let mut mesh = chart.configure_mesh();
        mesh.disable_y_mesh().disable_y_axis().y_labels(0).light_line_style(TRANSPARENT);
        mesh.x_label_formatter(&|ns| time(Some(*ns))).draw().map_err(failed)?;
        let font = ("sans-serif", 13).into_font().color(&INK);
        let name = font.clone().pos(Pos::new(HPos::Right, VPos::Center));
        let figure = font.pos(Pos::new(HPos::Left, VPos::Center));
        for (nth, (at, row, value)) in bars.iter().enumerate() {
            let top = count - nth as f64;
            let bar = Rectangle::new([(low, top - 0.15), (*value, top - 0.85)], color(*at).filled());
            chart.draw_series([bar]).map_err(failed)?;
            let (x, y) = chart.backend_coord(&(low, top - 0.5));
            area.draw(&Text::new(row.facts.name, (x - 6, y), name.clone())).map_err(failed)?;
            let (x, y) = chart.backend_coord(&(*value, top - 0.5));
            area.draw(&Text::new(time(Some(*value)), (x + 5, y), figure.clone())).map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// `8 B`, `64 KiB`.
fn size(bytes: f64) -> String {
    match bytes {
        mib if mib >= 1048576.0 => format!("{:.0} MiB", mib / 1048576.0),
        kib if kib >= 1024.0 => format!("{:.0} KiB", kib / 1024.0),
        bytes => format!("{bytes:.0} B"),
    }
}

/// Of MB a second.
fn speed(megabytes: f64) -> String {
    match megabytes {
        fast if fast >= 1000.0 => format!("{:.0} GB/s", fast / 1000.0),
        slow if slow < 1.0 => format!("{:.0} kB/s", slow * 1000.0),
        between => format!("{between:.0} MB/s"),
    }
}

/// Bytes a second over the size of a message, a line for each way.
pub(super) fn throughput(rows: &[Row]) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, 480)).into_drawing_area();
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
            .build_cartesian_2d((4.0..8e7).log_scale().base(4.0), (low / 2.0..high).log_scale())
            .map_err(failed)?;
        let mut mesh = chart.configure_mesh();
        mesh.x_desc("a message").light_line_style(TRANSPARENT);
        mesh.x_label_formatter(&|bytes| if *bytes <= 2e6 { size(*bytes) } else { String::new() });
        mesh.y_label_formatter(&|rate| speed(*rate)).draw().map_err(failed)?;
        for (at, row) in rows.iter().enumerate() {
            let style = color(at).stroke_width(2);
            let line = chart.draw_series(LineSeries::new(points(row), style).point_size(3)).map_err(failed)?;
            line.label(row.facts.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        }
        let labels = &mut chart.configure_series_labels();
        labels.position(SeriesLabelPosition::UpperRight).background_style(WHITE).border_style(palette::GREY_300);
        labels.label_font(("sans-serif", 12)).draw().map_err(failed)?;
        area.present().map_err(failed)?;
    }
    Ok(svg)
}
