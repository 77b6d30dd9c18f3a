// Package rotate writes files of whole lines that are bounded: by size and by age a file is put aside under a name with
// the time, and the oldest of those are removed.
package rotate
