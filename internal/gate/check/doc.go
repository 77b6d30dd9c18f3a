// Package check is the gate at commit and build time: it renders what is in a Git tree, judges every object in it as the
// cluster would, and reports each violation at the place where a person wrote it.
package check
