/**
 * The atomic steps, run by Redis as scripts.
 *
 * APPLY  KEYS: checkpoints, rows to set..., rows to delete...
 *        ARGV: field, epoch, from, next, number of rows to set, values...
 *        Applies only when the claim is the newest and the stored checkpoint is not past the batch.
 *        Returns `fenced`, `gap <stored>`, `done`, or `partly <stored>` when a part of it was applied before.
 */
export const applyScript = `
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local epoch, position = 0, 0
if stored then
  local space = string.find(stored, ' ', 1, true)
  epoch = tonumber(string.sub(stored, 1, space - 1))
  position = tonumber(string.sub(stored, space + 1))
end
if epoch ~= tonumber(ARGV[2]) then return 'fenced' end
if tonumber(ARGV[3]) > position then return 'gap ' .. string.format('%.0f', position) end
if tonumber(ARGV[4]) <= position then return 'done' end
if tonumber(ARGV[3]) < position then return 'partly ' .. string.format('%.0f', position) end
local sets = tonumber(ARGV[5])
local at = 1
while at <= sets do
  local args, n = {}, 0
  while at <= sets and n < 6000 do
    args[n + 1] = KEYS[at + 1]
    args[n + 2] = ARGV[at + 5]
    n = n + 2
    at = at + 1
  end
  redis.call('MSET', unpack(args))
end
local last = #KEYS
local del = sets + 2
while del <= last do
  local upto = math.min(del + 5999, last)
  redis.call('UNLINK', unpack(KEYS, del, upto))
  del = upto + 1
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[4])
return 'done'
`;

/** CLAIM  KEYS: checkpoints. ARGV: field. Returns the new claim, `epoch next`. */
export const claimScript = `
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local claim = '1 0'
if stored then
  local space = string.find(stored, ' ', 1, true)
  claim = string.format('%.0f', tonumber(string.sub(stored, 1, space - 1)) + 1) .. string.sub(stored, space)
end
redis.call('HSET', KEYS[1], ARGV[1], claim)
return claim
`;

/** PROMOTE  KEYS: active. ARGV: triples of view, from ('' for none), to. Returns 1 when all moved, 0 when none. */
export const promoteScript = `
for i = 1, #ARGV, 3 do
  local active = redis.call('HGET', KEYS[1], ARGV[i]) or ''
  if active ~= ARGV[i + 1] then return 0 end
end
for i = 1, #ARGV, 3 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2]) end
return 1
`;
