-- Progressing until the operator has looked at the present spec, and while SFS can not be asked about the credentials.
-- Degraded where a person should look. A pause that SFS asked for, and next credentials that are no good, leave it Healthy:
-- the message tells of them.
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
local told = ready

local stalled = conditions.Stalled
if stalled ~= nil and stalled.status == "True" then
  health.status = "Degraded"
elseif ready.status == "True" then
  health.status = "Healthy"
  if conditions.Throttled ~= nil and conditions.Throttled.status == "True" then
    told = conditions.Throttled
  elseif conditions.NextCredentialsValid ~= nil then
    told = conditions.NextCredentialsValid
  end
end

health.message = told.reason .. ": " .. told.message
return health
