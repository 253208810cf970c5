# in_pty.py COLS ROWS PROGRAM ARG... - runs a program in a terminal: what comes on standard input is typed, what it prints
# goes to standard output. SIGUSR1: the terminal becomes 100 by 40. SIGUSR2: the program is stopped (SIGTSTP) and goes on; again: SIGTERM. At the end fd 3
# gets one JSON object: code or signal, and whether the terminal was cooked: before, at each SIGUSR2, and now.
import fcntl, json, os, pty, select, signal, struct, sys, termios

def size(fd, cols, rows):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))

def cooked(fd):
    flags = termios.tcgetattr(fd)[3]
    return bool(flags & termios.ICANON) and bool(flags & termios.ECHO) and bool(flags & termios.ISIG)

master, slave = pty.openpty()
size(slave, int(sys.argv[1]), int(sys.argv[2]))
before = cooked(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.closerange(3, 64)
    os.execvp(sys.argv[3], sys.argv[3:])
signal.signal(signal.SIGUSR1, lambda *_: size(slave, 100, 40))
seen = []

def stop_and_go(*_):
    if not seen:
        os.kill(pid, signal.SIGTSTP)
        os.waitpid(pid, os.WUNTRACED)
        seen.append(cooked(slave))
        os.kill(pid, signal.SIGCONT)
    else:
        seen.append(cooked(slave))
        os.kill(pid, signal.SIGTERM)

signal.signal(signal.SIGUSR2, stop_and_go)
wake, woken = os.pipe()
os.set_blocking(woken, False)
signal.set_wakeup_fd(woken)
signal.signal(signal.SIGCHLD, lambda *_: None)
watched, status = [master, wake, 0], None
while True:
    ready = select.select(watched, [], [], 0 if status is not None else None)[0]
    if master in ready:
        os.write(1, os.read(master, 65536))
    elif status is not None:
        break
    if wake in ready:
        os.read(wake, 64)
        done, s = os.waitpid(pid, os.WNOHANG)
        status = s if done else status
    if 0 in ready:
        data = os.read(0, 4096)
        if data:
            os.write(master, data)
        else:
            watched.remove(0)
os.write(3, json.dumps({'code': os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
                        'signal': os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
                        'cooked': [before, *seen, cooked(slave)]}).encode())
