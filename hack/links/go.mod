// The parser of Markdown is for this tool alone.
module github.com/sendforsign/sfs-operator/hack/links

go 1.26.0

require github.com/yuin/goldmark v1.8.7
