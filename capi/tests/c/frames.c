/* Whole messages through a pipe: long and short, not now, the end of the stream and a broken pipe, other bytes. */
#include "check.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#endif

/* The ends of a pipe of the system, the reading one first. */
static void make(intptr_t ends[2])
{
#ifdef _WIN32
    HANDLE reader, writer;
    CHECK(CreatePipe(&reader, &writer, NULL, 0));
    ends[0] = (intptr_t)reader;
    ends[1] = (intptr_t)writer;
#else
    int made[2];
    CHECK(pipe(made) == 0);
    ends[0] = made[0];
    ends[1] = made[1];
#endif
}

static void write_other_bytes(intptr_t end)
{
#ifdef _WIN32
    DWORD written;
    CHECK(WriteFile((HANDLE)end, "other bytes", 11, &written, NULL) && written == 11);
#else
    CHECK(write((int)end, "other bytes", 11) == 11);
#endif
}

#ifndef _WIN32
/* Nothing of a message that was refused comes. */
static void until_it_is_full(cotenant_pipe_writer *writer, cotenant_pipe_reader *reader, const char *message,
                             size_t length)
{
    const void *bytes = NULL;
    size_t sent = 0, received = 0, got = 0;
    cotenant_status status;
    while ((status = cotenant_pipe_writer_try_send(writer, message, length)) == COTENANT_OK) {
        sent++;
    }
    CHECK(status == COTENANT_WOULD_BLOCK && sent > 0);
    CHECK(cotenant_pipe_writer_send_timeout(writer, message, length, 2) == COTENANT_TIMED_OUT);
    while (cotenant_pipe_reader_try_recv(reader, &bytes, &got) == COTENANT_OK) {
        CHECK(got == length);
        received++;
    }
    CHECK(sent == received);
}
#endif

int main(void)
{
#ifndef _WIN32
    signal(SIGPIPE, SIG_IGN);
#endif
    intptr_t ends[2];
    make(ends);
    write_other_bytes(ends[1]);
    cotenant_pipe_reader *reader = NULL;
    cotenant_pipe_writer *writer = NULL;
    CHECK(cotenant_pipe_reader_open(ends[0], &reader) == COTENANT_OK);
    CHECK(cotenant_pipe_writer_open(ends[1], &writer) == COTENANT_OK);
    const void *bytes = NULL;
    size_t length = 7;
    CHECK(cotenant_pipe_reader_try_recv(reader, &bytes, &length) == COTENANT_WOULD_BLOCK);
    CHECK(cotenant_pipe_reader_recv_timeout(reader, 2, &bytes, &length) == COTENANT_TIMED_OUT);
    CHECK(length == 7 && bytes == NULL);
    CHECK(strstr(cotenant_error_message(), "no whole message came through the pipe within 2ms; see whether") != NULL);

    CHECK(cotenant_pipe_writer_send(writer, "whole", 5) == COTENANT_OK);
    CHECK(cotenant_pipe_writer_send(writer, "", 0) == COTENANT_OK);
    CHECK(cotenant_pipe_reader_recv(reader, &bytes, &length) == COTENANT_OK);
    CHECK(length == 5 && memcmp(bytes, "whole", 5) == 0);
    CHECK(cotenant_pipe_reader_skipped_bytes(reader) == 11);
    CHECK(cotenant_pipe_reader_recv_timeout(reader, 1000, &bytes, &length) == COTENANT_OK && length == 0);

    static char message[3000];
#ifdef _WIN32
    /* What CreatePipe makes may cut a write that does not wait. */
    CHECK(cotenant_pipe_writer_try_send(writer, message, sizeof message) == COTENANT_UNSUPPORTED);
#else
    until_it_is_full(writer, reader, message, sizeof message);
#endif

    static char longest[(16 << 20) + 1];
    CHECK(cotenant_pipe_writer_send(writer, longest, sizeof longest) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_pipe_writer_send(writer, NULL, 1) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_pipe_writer_send(NULL, "x", 1) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_pipe_reader_recv(reader, NULL, &length) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_pipe_reader_recv(NULL, &bytes, &length) == COTENANT_INVALID_INPUT);
    CHECK(cotenant_pipe_reader_open(-1, &reader) != COTENANT_OK);
    CHECK(cotenant_pipe_writer_open(-1, &writer) != COTENANT_OK);
#ifndef _WIN32
    int turned[2];
    cotenant_pipe_reader *none = NULL;
    cotenant_pipe_writer *neither = NULL;
    CHECK(pipe(turned) == 0);
    CHECK(cotenant_pipe_writer_open(turned[0], &neither) == COTENANT_INVALID_INPUT && neither == NULL);
    CHECK(strstr(cotenant_error_message(), "not written") != NULL);
    CHECK(cotenant_pipe_reader_open(turned[1], &none) == COTENANT_INVALID_INPUT && none == NULL);
    CHECK(close(turned[0]) == 0 && close(turned[1]) == 0); /* They are still the caller's. */
    int file = open("/dev/null", O_RDWR);
    CHECK(cotenant_pipe_writer_open(file, &writer) == COTENANT_INVALID_INPUT && fcntl(file, F_GETFD) == 0);
#endif

    cotenant_pipe_writer_close(writer);
    CHECK(cotenant_pipe_reader_recv(reader, &bytes, &length) == COTENANT_END_OF_STREAM);
    CHECK(cotenant_pipe_reader_try_recv(reader, &bytes, &length) == COTENANT_END_OF_STREAM);
    cotenant_pipe_reader_close(reader);

    make(ends);
    CHECK(cotenant_pipe_reader_open(ends[0], &reader) == COTENANT_OK);
    CHECK(cotenant_pipe_writer_open(ends[1], &writer) == COTENANT_OK);
    cotenant_pipe_reader_close(reader);
    CHECK(cotenant_pipe_writer_send(writer, "x", 1) == COTENANT_BROKEN_PIPE);
    CHECK(strstr(cotenant_error_message(), "cannot send a message of 1 bytes through the pipe: ") != NULL);
    cotenant_pipe_writer_close(writer);
    CHECK(cotenant_pipe_reader_skipped_bytes(NULL) == 0);
    cotenant_pipe_reader_close(NULL);
    cotenant_pipe_writer_close(NULL);
    return 0;
}
