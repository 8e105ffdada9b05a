import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy on loopback whose line a test can cut, close or hold. */
export interface TcpProxy {
  /** `127.0.0.1:port` to connect to. */
  readonly address: string;
  readonly port: number;
  /** Breaks every connection and refuses new ones, like a server that died. */
  cut(): Promise<void>;
  /** Takes connections again, on the same port. */
  restore(): Promise<void>;
  /** Keeps what clients send, in order, until `release`, like a network that has stalled. */
  hold(): void;
  release(): void;
  /** Bytes that clients sent since the proxy began, held ones included. */
  sent(): number;
  /** Calls `then` once, when clients have sent `bytes` more. The bytes that crossed the mark are passed on. */
  after(bytes: number, then: () => void): void;
  close(): Promise<void>;
}

/** Forwards to `target` (`host:port`). */
export async function tcpProxy(target: string): Promise<TcpProxy> {
  const [host, targetPort] = splitAddress(target);
  const pairs = new Set<{ client: Socket; server: Socket }>();
  let sent = 0;
  let holding = false;
  let mark: { at: number; then: () => void } | null = null;

  const accept = (client: Socket) => {
    const server = connect(targetPort, host);
    const pair = { client, server };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.setNoDelay(true).on('error', end).on('close', end);
    server.pipe(client);
    client.on('data', (bytes) => {
      sent += bytes.length;
      server.write(bytes);
      if (!mark || sent < mark.at) return;
      const { then } = mark;
      mark = null;
      then();
    });
    if (holding) server.cork();
  };

  let listener = await listen(accept, 0);
  const { port } = listener.address() as { port: number };
  const cut = async () => {
    const closed = once(listener, 'close');
    if (listener.listening) listener.close();
    else return;
    for (const { client, server } of pairs) {
      client.destroy();
      server.destroy();
    }
    await closed;
  };
  return {
    address: `127.0.0.1:${port}`,
    port,
    cut,
    restore: async () => {
      if (!listener.listening) listener = await listen(accept, port);
    },
    hold: () => {
      if (!holding) for (const { server } of pairs) server.cork();
      holding = true;
    },
    release: () => {
      if (holding) for (const { server } of pairs) server.uncork();
      holding = false;
    },
    sent: () => sent,
    after: (bytes, then) => {
      mark = { at: sent + bytes, then };
    },
    close: cut,
  };
}

async function listen(accept: (client: Socket) => void, port: number): Promise<Server> {
  const server = createServer(accept);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function splitAddress(address: string): [string, number] {
  const colon = address.lastIndexOf(':');
  return [address.slice(0, colon), Number(address.slice(colon + 1))];
}
