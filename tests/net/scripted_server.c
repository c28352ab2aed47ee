/* scripted_server SCRIPT PORT_FILE [LOG]: serves (support/http_server.h) until it is ended; the port stands in PORT_FILE. It ends by
 * itself after two minutes. */
#include "support/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static char script[1 << 16];
    int port, listener;
    FILE *file = argc > 2 ? fopen(argv[1], "r") : NULL;
    if (!file || !fread(script, 1, sizeof script - 1, file)) {
        fprintf(stderr, "usage: scripted_server SCRIPT PORT_FILE [LOG]\n");
        return 2;
    }
    fclose(file);
    alarm(120);
    if ((listener = http_server_listen(&port)) < 0 || !(file = fopen(argv[2], "w"))) {
        perror("scripted_server");
        return 1;
    }
    fprintf(file, "%d\n", port);
    fclose(file);
    http_server_serve(listener, script, argc > 3 ? argv[3] : NULL);
    return 0;
}
