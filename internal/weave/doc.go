// Package weave has the documents of the Weave Policy Agent, which those who receive them go on reading: the result of one
// policy on one object, as sinks wrote it and as the Terraform gate answers it.
package weave
