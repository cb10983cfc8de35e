/* Messages through the pipes that its standard streams are: "write" sends three, the middle one of a mebibyte, to its
 * output; "read" tells of each that comes in by its input. */
#include "../check.h"

static void write_three(void)
{
    static char middle[1 << 20];
    memset(middle, 'm', sizeof middle);
    cotenant_pipe_writer *writer = NULL;
    CHECK(cotenant_pipe_writer_open(1, &writer) == COTENANT_OK);
    CHECK(cotenant_pipe_writer_send(writer, "first", 5) == COTENANT_OK);
    CHECK(cotenant_pipe_writer_send(writer, middle, sizeof middle) == COTENANT_OK);
    CHECK(cotenant_pipe_writer_send(writer, "last", 4) == COTENANT_OK);
    cotenant_pipe_writer_close(writer);
}

static void read_all(void)
{
    cotenant_pipe_reader *reader = NULL;
    CHECK(cotenant_pipe_reader_open(0, &reader) == COTENANT_OK);
    const void *bytes;
    size_t length;
    cotenant_status status;
    while ((status = cotenant_pipe_reader_recv(reader, &bytes, &length)) == COTENANT_OK) {
        printf("%zu %c\n", length, ((const char *)bytes)[0]);
    }
    CHECK(status == COTENANT_END_OF_STREAM);
    printf("end %llu\n", (unsigned long long)cotenant_pipe_reader_skipped_bytes(reader));
    cotenant_pipe_reader_close(reader);
}

int main(int count, char **arguments)
{
    CHECK(count == 2);
    if (strcmp(arguments[1], "write") == 0) {
        write_three();
    } else {
        read_all();
    }
    return 0;
}
