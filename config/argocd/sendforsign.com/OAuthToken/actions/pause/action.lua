if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
obj.metadata.annotations["sendforsign.com/paused"] = "true"
return obj
