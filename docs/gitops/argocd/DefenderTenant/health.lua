-- Health of a DefenderTenant, as its conditions Ready, Reconciling and Stalled have it.
-- Stalled: a person must act. Reconciling: the operator is at it. Both can be while the old token still works.
local health = {status = "Progressing", message = "Waiting for the operator"}
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end
local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end
local function is(name)
  return conditions[name] ~= nil and conditions[name].status == "True"
end
local ready = conditions.Ready
if ready == nil then
  return health
end
health.message = ready.reason
if ready.message ~= "" then
  health.message = ready.reason .. ": " .. ready.message
end
if ready.reason == "Suspended" then
  health.status = "Suspended"
elseif is("Stalled") then
  health.status = "Degraded"
elseif is("Ready") and not is("Reconciling") then
  health.status = "Healthy"
end
return health
