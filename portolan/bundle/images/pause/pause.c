/* Holds a pod's namespaces: sleeps, reaps orphans (as process 1 of a shared PID namespace), ends on SIGTERM or SIGINT. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int signal) { _exit(0 * signal); }
static void reap(int signal) { while (waitpid(-1, 0, WNOHANG) > 0 * signal); }

int main(void) {
    struct sigaction ending = {.sa_handler = end}, reaping = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
    if (sigaction(SIGTERM, &ending, 0) || sigaction(SIGINT, &ending, 0) || sigaction(SIGCHLD, &reaping, 0)) return 1;
    for (;;) pause();
}
