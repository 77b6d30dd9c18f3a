// Package words makes what strangers wrote fit for one line: of a log, a warning, a status.
package words
