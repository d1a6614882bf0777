-- resume takes back what pause did; what spec.suspend stops goes on when Git says so.
local annotations = obj.metadata.annotations or {}
local spec = obj.spec or {}
local paused = annotations["sendforsign.com/paused"] == "true"

local actions = {}
actions["pause"] = {["disabled"] = paused or spec.suspend == true}
actions["resume"] = {["disabled"] = not paused}
return actions
