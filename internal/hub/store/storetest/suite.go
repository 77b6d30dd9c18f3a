package storetest

import (
	"testing"

	"github.com/assay-gitops/assay/internal/hub/store"
)

// Without is what a store does not promise; its documentation says why.
type Without struct {
	// Moments: a batch may be seen, and be kept when adding it fails, in part. Sending it again completes it.
	Moments bool
	// Backups are made by other means; Backup says by which.
	Backups bool
	// Speed: each call takes milliseconds, so fewer of those are made that are alike.
	Speed bool
}

// of calls that are alike, those that are made.
func (without Without) of(calls int) int {
	if without.Speed {
		return calls / 4
	}
	return calls
}

// Test tests a store. Open opens one with nothing in it, that is closed with the test.
func Test(t *testing.T, open func(t *testing.T) store.Store, without Without) {
	for name, test := range map[string]func(*testing.T, store.Store){
		"a result that comes again changes nothing":            testIdempotency,
		"results of other clusters with the same ID are other": testIDsOfClusters,
		"what is added is found again":                         testRoundTrip,
		"results in any order come to the same":                without.testOrder,
		"a finding that is resolved keeps what was known":      testKept,
		"what makes no sense is refused whole":                 testInvalid,
		"every question is answered as plain code answers it":  without.testQueries,
		"nobody sees or counts what is not in scope":           without.testNothingOfOthers,
		"histories are what was added":                         without.testHistories,
		"several at once are as one after the other":           testSeveral,
		"pages are stable while results are added":             without.testPagesWhileAdding,
		"bad questions are refused":                            testBadQuestions,
		"clusters are known by what they send":                 testClusters,
		"what is old is forgotten":                             testForget,
		"a backup is a new file":                               without.testBackup,
		"answers are of one moment":                            without.testConcurrent,
		"what a cluster is judged by is kept as it was":        testDeclarations,
		"versions are listed in pages":                         testVersions,
		"bad declarations are refused whole":                   testBadDeclarations,
		"old versions and audits are forgotten":                testForgetRecords,
		"audits are kept":                                      testPasses,
		"the status follows from the newest result":            testStatus,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}
