import type { Socket } from 'node:net';

/**
 * What Node keeps of an open socket, for want of a public way: `pause` goes on reading into a buffer until that is
 * full, one system call for each packet.
 */
interface Handle {
  /** Whether Node wants it to be read; it knows nothing of a rest. */
  readonly reading: boolean;
  readStart(): number;
  readStop(): number;
}

const handleOf = (socket: Socket): Handle | null => (socket as unknown as { _handle: Handle | null })._handle;

/** Leaves for a moment to the kernel what arrives at a socket, so that it is read in one piece. */
export class SocketRest {
  readonly #socket: Socket;
  readonly #ms: number;
  #timer: NodeJS.Timeout | null = null;

  constructor(socket: Socket, ms: number) {
    this.#socket = socket;
    this.#ms = ms;
  }

  /** Nothing is read from now on, for as many milliseconds; also when the socket is resumed. */
  begin(): void {
    if (this.#timer) return;
    handleOf(this.#socket)?.readStop();
    this.#timer = setTimeout(() => this.end(), this.#ms);
  }

  /** Reads on at once. */
  end(): void {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    const handle = handleOf(this.#socket);
    // One that Node stopped itself, because its buffer is full, is started by Node; to start it twice is an error.
    if (handle?.reading) handle.readStart();
  }
}
