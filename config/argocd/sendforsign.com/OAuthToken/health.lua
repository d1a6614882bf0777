-- Progressing until the operator has looked at the present spec, and while what it waits for comes by itself. Degraded
-- where a person should look, or where the token is dead. Suspended while the work is paused. A routine renewal changes
-- none of the conditions.
local health = {status = "Progressing", message = "the operator has not looked at it yet"}

if obj.metadata.deletionTimestamp ~= nil then
  health.message = "it is being deleted"
  return health
end

if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions or {}) do
  conditions[condition.type] = condition
end

local ready = conditions.Ready
if ready == nil then
  return health
end
health.message = ready.reason .. ": " .. ready.message

local stalled = conditions.Stalled
local token = conditions.TokenValid
if stalled ~= nil and stalled.status == "True" then
  health.status = "Degraded"
elseif token ~= nil and token.status == "False" and token.reason == "TokenExpiring" then
  -- Also while the work is paused, and whatever else Ready tells of.
  health.status = "Degraded"
  health.message = token.reason .. ": " .. token.message
elseif ready.reason == "Suspended" then
  health.status = "Suspended"
elseif ready.status == "True" then
  health.status = "Healthy"
end

return health
