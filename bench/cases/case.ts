import type { ServerName } from '../../stack/versions.ts';
import type { Measured } from '../measure/counted.ts';
import type { Servers } from '../servers.ts';

export interface CaseOptions {
  readonly records: number;
  /** Number of the run, from 0, for names that no other run has. */
  readonly run: number;
  /** Whether the peer is measured as well. */
  readonly peer: boolean;
  /** A folder for CPU profiles of our process; profiling slows it down by a few percent. */
  readonly profile: string | null;
  readonly servers: Servers;
  /** Tells whoever waits what is being done. */
  say(what: string): void;
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

export interface Side {
  /** What it is, with its version and whatever settings matter. */
  readonly name: string;
  readonly measured: Measured;
  /** Milliseconds from commit to visible. */
  readonly latencyMs?: Latency;
}

/** A bare loop that does only one part of the work. */
export interface Ceiling {
  readonly name: string;
  readonly recordsPerSecond: number;
  /** False for one that is shown but not compared with. Default true. */
  readonly compared?: boolean;
}

/** Everything that was measured one after the other on the same data. */
export interface CaseRun {
  readonly ours: Side;
  readonly ceilings: readonly Ceiling[];
  /** The first is the one that is compared with. */
  readonly peers: readonly Side[];
  /** Further findings, as name to text. */
  readonly notes?: Readonly<Record<string, string>>;
}

export interface Case {
  readonly name: string;
  readonly about: string;
  readonly servers: readonly ServerName[];
  readonly records: number;
  run(options: CaseOptions): Promise<CaseRun>;
  /** Ends what `run` keeps between runs. */
  close?(): Promise<void>;
}
