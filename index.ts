/** insideout: a database turned inside out. What a config and an application import. */

export { consistencyToken } from './connectors/source/postgres/consistency-token.ts';
export type { Token } from './connectors/source/token.ts';
export { type Columns, type ColumnType, columnTypes, type RowOf } from './core/column.ts';
export {
  type ErrorCode,
  errorCodes,
  InsideoutError,
  isInsideoutError,
  type RetryPolicy,
} from './core/errors.ts';
export type { Row, Value } from './core/value.ts';
export type { Key } from './core/view.ts';
export {
  type Config,
  cassandra,
  defineConfig,
  embedded,
  kafka,
  type LogConfig,
  type PostgresConfig,
  postgres,
  redis,
  type StoreConfig,
  sqlite,
} from './daemon/config/descriptors.ts';
export { openReaders, type Readers } from './daemon/readers.ts';
export { type DeleteRequest, deletesTopic, signDelete } from './deletes/deletes-topic.ts';
export { type Shredder, shredder } from './deletes/shredding.ts';
export type { ViewEffect } from './materializer/apply/effects.ts';
export type { Reader, ReadOptions } from './materializer/reading/reader.ts';
export { type ViewDeclaration, type ViewOptions, view } from './materializer/view-definition.ts';
