// serve_node_pty.mjs PROGRAM [ARGUMENT...] - a peer of latch-bench: each WebSocket is a terminal that runs the program, as
// most who build on node-pty have it, and with the care that many leave out: a client that is slow stops its program,
// where all that it has not read would be kept otherwise.
// The first line of stdout is the address; the end of stdin is the end.
import pty from '@lydell/node-pty';
import { WebSocketServer } from 'ws';

const [program, ...args] = process.argv.slice(2);
const LATE = 256 << 10; // bytes a client has not taken: above it its program waits, until a quarter is left

function carry(socket) {
  const terminal = pty.spawn(program, args, { name: 'xterm-256color', cols: 80, rows: 24, env: process.env });
  let waits = false;
  const sent = () => {
    if (!waits || socket.bufferedAmount > LATE / 4) return;
    waits = false;
    terminal.resume();
  };

  terminal.onData((text) => {
    socket.send(text, sent);
    if (waits || socket.bufferedAmount <= LATE) return;
    waits = true;
    terminal.pause();
  });
  terminal.onExit(() => socket.close());
  socket.on('message', (data) => terminal.write(data.toString()));
  socket.on('close', () => terminal.kill());
}

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', carry);
server.on('listening', () => console.log(`127.0.0.1:${server.address().port}`));
process.stdin.on('end', () => process.exit(0)).resume();
