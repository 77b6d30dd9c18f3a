// Package raw reads plain YAML and JSON files: every document becomes a Kubernetes object with exactly the values that
// kubectl would send, and remembers where each of its fields was written.
//
// Reading and locating are two different parsers on purpose. Kubernetes clients read YAML 1.1 (yes is true, 0777 is 511),
// which knows no positions; positions come from a second parse that happens only for the documents that somebody asks
// about, and that may be thrown away and done again.
package raw
