// Package sqlite keeps results in one SQLite database in a folder.
//
// The database has everything; what lists are chosen, sorted and counted by is also in memory (package columns), filled when the store is
// opened. One connection writes, one batch at a time; a batch is committed and put into memory under one lock, so that what a reader finds
// in memory and what it then reads from the database are of one moment. That a tenant sees nothing of others rests on this too: slots of
// violations are used again.
//
// The journal is a write-ahead log that is synced at each commit (synchronous=FULL). NORMAL would do for a kill of the process, but agents
// forget what was acknowledged, and would not send again what a power cut took. A batch pays one sync for it.
package sqlite
