/* A small HTTP server with prepared replies, on a free port of 127.0.0.1.
 *
 * A script has a line for each reply, the last one for all further requests:
 *
 *   STATUS WAIT TEXT
 *
 * STATUS 0 closes the connection without a reply. WAIT is sent as Retry-After, "-" = not. A TEXT that begins with "{" or with "RAW "
 * is the body (the latter as it stands behind the blank), any other is the content of a chat completion; "\n" stands for a line feed.
 */
#ifndef PC_TESTS_SUPPORT_HTTP_SERVER_H
#define PC_TESTS_SUPPORT_HTTP_SERVER_H

/* Listens; gives the socket and the port, or -1. */
int http_server_listen(int *port);
/* Serves until the socket is shut down. Each request's head and body are appended to the file `log` (NULL = not), behind a line
 * "--- N". */
void http_server_serve(int listener, const char *script, const char *log);

#endif
