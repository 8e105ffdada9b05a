import { createHash } from 'node:crypto';

/** A Lua script, which Redis runs as one atomic step, with the SHA-1 by which Redis knows it once it has seen it. */
export interface Script {
  readonly text: string;
  readonly sha: string;
  readonly keys: number;
}

const script = (keys: number, text: string): Script => ({
  text,
  sha: createHash('sha1').update(text).digest('hex'),
  keys,
});

/** What the scripts that write on behalf of a claim answer first; the stored checkpoint is the second. */
export const answer = { applied: 0, fenced: 1, elsewhere: 2, gone: 3 } as const;

/**
 * Opens every script that writes on behalf of a claim. KEYS: epochs, checkpoints. ARGV: partition, epoch, and the
 * offset at which the checkpoint must be. An epoch that is larger than the stored one means that Redis came back
 * with an older state; nobody else has claimed the partition since, because epochs follow the clock.
 */
const guard = `
local epoch = redis.call('HGET', KEYS[1], ARGV[1])
if not epoch then return {3, 0} end
if tonumber(epoch) > tonumber(ARGV[2]) then return {1, 0} end
local stored = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
if stored ~= tonumber(ARGV[3]) then return {2, stored} end
`;

/**
 * ARGV after those of the guard: next checkpoint, twice the number of rows, twice the number of those that end,
 * names and rows in turn, names and ends in turn, names to delete. `write` makes every row from ARGV[7] to ARGV[rows]
 * one that does not end. Its first write fails alone when Redis takes no writes, and its error is passed on with its
 * own code.
 */
const applyScript = (write: string): Script =>
  script(
    2,
    `${guard}
local rows = 6 + ARGV[5]
local last = rows + ARGV[6]
if rows > 6 then
${write}
end
for i = rows + 1, last, 2 do
  local reply = redis.pcall('PEXPIREAT', ARGV[i], ARGV[i + 1])
  if type(reply) == 'table' then return reply end
end
if #ARGV > last then
  local reply = redis.pcall('UNLINK', unpack(ARGV, last + 1))
  if type(reply) == 'table' then return reply end
end
local reply = redis.pcall('HSET', KEYS[2], ARGV[1], ARGV[4])
if type(reply) == 'table' then return reply end
return {0, 0}
`,
  );

/** Rows are strings, in the form that is stored. */
export const applyStringsScript = applyScript(`
  local reply = redis.pcall('MSET', unpack(ARGV, 7, rows))
  if reply.err then return reply end
`);

/**
 * Rows are JSON lists of fields and values in turn, all of them strings. UNLINK takes away the fields and the end of
 * the former row; a server without room would let it pass, and then all that follows, so a write that changes
 * nothing asks first.
 */
export const applyHashesScript = applyScript(`
  local reply = redis.pcall('HSETNX', KEYS[2], ARGV[1], 0)
  if type(reply) == 'table' then return reply end
  for i = 7, rows, 2 do
    local fields = cjson.decode(ARGV[i + 1])
    redis.call('UNLINK', ARGV[i])
    redis.call('HSET', ARGV[i], unpack(fields))
  end
`);

/** ARGV after those of the guard: the mark of the partition's rows, names to look at. `look` fills `doomed`. */
const truncateScript = (look: string): Script =>
  script(
    2,
    `${guard}
local mark = ARGV[4]
local doomed = {}
${look}
if #doomed > 0 then
  local reply = redis.pcall('UNLINK', unpack(doomed))
  if type(reply) == 'table' then return reply end
end
return {0, 0}
`,
  );

/** The mark is how the rows of the partition end. */
export const truncateStringsScript = truncateScript(`
local rows = redis.call('MGET', unpack(ARGV, 5))
for i, row in ipairs(rows) do
  if row and string.sub(row, -#mark) == mark then doomed[#doomed + 1] = ARGV[4 + i] end
end
`);

/** The mark is what the rows of the partition have in the field `_p`. */
export const truncateHashesScript = truncateScript(`
for i = 5, #ARGV do
  if redis.call('HGET', ARGV[i], '_p') == mark then doomed[#doomed + 1] = ARGV[i] end
end
`);

/**
 * KEYS: epochs, checkpoints, generations. ARGV: partition, generation. Answers epoch and checkpoint, or nothing
 * when the generation does not exist. Epochs are milliseconds of the server's clock where that is larger than the
 * previous epoch plus one, so that one that Redis forgot in a crash is not given to a second claimant.
 */
export const claimScript = script(
  3,
  `
local shape = redis.call('HGET', KEYS[3], ARGV[2])
if not shape or shape == '' then return {} end
local time = redis.call('TIME')
local epoch = time[1] * 1000 + math.floor(time[2] / 1000)
local previous = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if epoch <= previous then epoch = previous + 1 end
local reply = redis.pcall('HSET', KEYS[1], ARGV[1], string.format('%.0f', epoch))
if type(reply) == 'table' then return reply end
redis.call('HSETNX', KEYS[2], ARGV[1], 0)
return {epoch, tonumber(redis.call('HGET', KEYS[2], ARGV[1]))}
`,
);

/**
 * KEYS: a name that nothing has. Every kind of write that a view takes, ending in no key; what a refused one leaves
 * ends after a second.
 */
export const checkScript = script(
  1,
  `
local name = KEYS[1]
local writes = {
  {'SET', name, '', 'PX', 1000}, {'PEXPIREAT', name, redis.call('TIME')[1] * 1000 + 1000}, {'UNLINK', name},
  {'MSET', name, ''}, {'DEL', name}, {'HSET', name, 'field', ''}, {'HSETNX', name, 'field', ''}, {'HDEL', name, 'field'},
}
for _, write in ipairs(writes) do
  local reply = redis.pcall(unpack(write))
  if type(reply) == 'table' and reply.err then return reply end
end
return 1
`,
);

/** KEYS: generations. ARGV: generation, shape. Answers the shape that it has now. */
export const openScript = script(
  1,
  `
local reply = redis.pcall('HSETNX', KEYS[1], ARGV[1], ARGV[2])
if type(reply) == 'table' then return reply end
return redis.call('HGET', KEYS[1], ARGV[1])
`,
);

/** KEYS: active. ARGV: generation. */
export const withdrawScript = script(
  1,
  `
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
`,
);

/** KEYS: active, generations, epochs, checkpoints. ARGV: generation. 0 = is active, 1 = marked, 2 = unknown. */
export const dropScript = script(
  4,
  `
if redis.call('GET', KEYS[1]) == ARGV[1] then return 0 end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 2 end
local reply = redis.pcall('HSET', KEYS[2], ARGV[1], '')
if type(reply) == 'table' then return reply end
redis.call('DEL', KEYS[3], KEYS[4])
return 1
`,
);

/**
 * KEYS: generations. ARGV: generation, names of rows. Removes them while the generation is marked; 0 when it is not:
 * another process has finished the drop, and the number may have been opened anew.
 */
export const unlinkScript = script(
  1,
  `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= '' then return 0 end
if #ARGV > 1 then redis.call('UNLINK', unpack(ARGV, 2)) end
return 1
`,
);

/** KEYS: generations. ARGV: generation. Forgets it when it is marked. */
export const forgetScript = script(
  1,
  `
if redis.call('HGET', KEYS[1], ARGV[1]) == '' then redis.call('HDEL', KEYS[1], ARGV[1]) end
return 1
`,
);

/**
 * KEYS: active and generations of each view. ARGV: expected generation (empty: none) and next one of each.
 * -1 = moved, 0 = a pointer was elsewhere, n = the nth view has no such generation.
 */
export const promoteScript = (moves: number): Script =>
  script(
    moves * 2,
    `
for i = 1, #KEYS, 2 do
  if (redis.call('GET', KEYS[i]) or '') ~= ARGV[i] then return 0 end
end
for i = 1, #KEYS, 2 do
  if (redis.call('HGET', KEYS[i + 1], ARGV[i + 1]) or '') == '' then return (i + 1) / 2 end
end
local pointers = {}
for i = 1, #KEYS, 2 do
  pointers[i] = KEYS[i]
  pointers[i + 1] = ARGV[i + 1]
end
local reply = redis.pcall('MSET', unpack(pointers))
if reply.err then return reply end
return -1
`,
  );
