-- Not nil: of an object whose last annotation an action takes away, Argo CD keeps the annotations.
if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["sendforsign.com/paused"] = "false"
end
return obj
