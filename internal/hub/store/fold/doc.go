// Package fold is what results come to, the same whatever keeps them: it reads results once for all that can be known of them alone (Reader),
// and adds them to what is known of their violation (State), in whatever order they come.
package fold
