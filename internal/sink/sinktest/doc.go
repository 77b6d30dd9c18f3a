// Package sinktest has what tests of sinks share: results to send, servers that misbehave as servers do, and the check
// that afterwards every result is there once by its ID. Only tests import it.
package sinktest
