-- resume takes back what pause did; what spec.suspend stops goes on when Git says so.
local annotations = obj.metadata.annotations or {}
local spec = obj.spec or {}
local paused = annotations["sendforsign.com/paused"] == "true"
local resting = paused or spec.suspend == true

local actions = {}
actions["renew"] = {["disabled"] = resting}
actions["pause"] = {["disabled"] = resting}
actions["resume"] = {["disabled"] = not paused}
return actions
