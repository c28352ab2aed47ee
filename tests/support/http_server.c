#include "support/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 1 << 20 };

int http_server_listen(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
        return -1;
    }
    *port = ntohs(address.sin_port);
    return listener;
}

/* The n-th line of the script, or the last. */
static const char *find_line(const char *script, int n, size_t *length)
{
    const char *line = script;
    for (const char *end; n > 0 && (end = strchr(line, '\n')) && end[1]; n--) {
        line = end + 1;
    }
    *length = strcspn(line, "\n");
    return line;
}

/* Head and body; the length, or -1. */
static long read_request(int peer, char *bytes)
{
    long have = 0, wanted = MOST - 1;
    while (have < wanted) {
        ssize_t got = read(peer, bytes + have, (size_t)(MOST - 1 - have));
        if (got <= 0) {
            return -1;
        }
        have += got;
        bytes[have] = 0;
        char *body = strstr(bytes, "\r\n\r\n");
        if (body) {
            char *size = strcasestr(bytes, "content-length:");
            wanted = body + 4 - bytes + (size && size < body ? strtol(size + 15, NULL, 10) : 0);
        }
    }
    return have;
}

static void put_quoted(char *out, const char *text, size_t length)
{
    out += strlen(out);
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"') {
            *out++ = '\\';
        }
        *out++ = text[i];
    }
    *out = 0;
}

static void make_reply(char *reply, const char *line, size_t length)
{
    static char body[MOST / 2];
    int status = 0, used = 0;
    char wait[32] = "-", retry[64] = "";
    sscanf(line, "%d %31s%n", &status, wait, &used);
    const char *text = line + used + ((size_t)used < length);
    length -= (size_t)(text - line);
    body[0] = 0;
    if (*text == '{') {
        snprintf(body, sizeof body, "%.*s", (int)length, text);
    } else if (strncmp(text, "RAW ", 4) == 0) {
        snprintf(body, sizeof body, "%.*s", (int)length - 4, text + 4);
    } else {
        strcpy(body, "{\"choices\": [{\"message\": {\"role\": \"assistant\", \"content\": \"");
        put_quoted(body, text, length);
        strcat(body, "\"}, \"finish_reason\": \"stop\"}], \"usage\": {\"prompt_tokens\": 5, \"completion_tokens\": 2}}");
    }
    if (strcmp(wait, "-") != 0) {
        snprintf(retry, sizeof retry, "Retry-After: %s\r\n", wait);
    }
    snprintf(reply, MOST, "HTTP/1.1 %d x\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
             status, retry, strlen(body), body);
}

static void note(const char *log, int n, const char *request)
{
    FILE *file = log ? fopen(log, "a") : NULL;
    if (file) {
        fprintf(file, "--- %d\n%s\n", n, request);
        fclose(file);
    }
}

void http_server_serve(int listener, const char *script, const char *log)
{
    static char request[MOST], reply[MOST];
    for (int n = 0;; n++) {
        int peer = accept(listener, NULL, NULL);
        size_t length;
        if (peer < 0) {
            return;
        }
        if (read_request(peer, request) >= 0) {
            const char *line = find_line(script, n, &length);
            note(log, n + 1, request);
            make_reply(reply, line, length);
            size_t left = *line == '0' ? 0 : strlen(reply);
            for (const char *at = reply; left;) {
                ssize_t put = send(peer, at, left, MSG_NOSIGNAL);
                left = put > 0 ? left - (size_t)put : 0;
                at += put > 0 ? put : 0;
            }
        }
        close(peer);
    }
}
