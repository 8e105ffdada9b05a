import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { serverNames, servers } from '../../stack/versions.ts';

interface Compose {
  services: Record<string, { image: string; ports: string[]; environment?: Record<string, string> }>;
}
const file = new URL('../../docker-compose.yml', import.meta.url);
const compose: Compose = parse(readFileSync(file, 'utf8'));

test('docker-compose.yml has the servers of the stack, and no other', () => {
  expect(Object.keys(compose.services).sort()).toEqual([...serverNames].sort());
});

test.each(serverNames)('%s has the same version and address in docker-compose.yml', (name) => {
  const { image, version, portVariable, usualPort } = servers[name];
  const service = compose.services[name];
  expect(service?.image).toBe(image);
  expect(image.endsWith(`:${version}`)).toBe(true);
  const [published, ...others] = service?.ports ?? [];
  expect(others).toEqual([]);
  expect(published).toMatch(/^127\.0\.0\.1:.*:\d+$/);
  expect(published).toContain(`:\${${portVariable}:-${usualPort}}:`);
});

test('the registry refuses what cannot read earlier records, as in the stack, from its start', () => {
  const { environment } = servers.registry;
  expect(environment).toEqual({ REGISTRY_RULES_GLOBAL_COMPATIBILITY: 'BACKWARD' });
  expect(compose.services.registry?.environment).toEqual(environment);
});
