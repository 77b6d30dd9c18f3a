// Package report turns what a gate found into text for people and documents for machines: one small type per format.
package report
