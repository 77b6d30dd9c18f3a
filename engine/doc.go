// Package engine gives verdicts: Compile turns policies, sets, configs and exceptions into an immutable Snapshot once,
// and Snapshot.Judge judges an object by it, without locks and from any number of goroutines.
package engine
