// Package elastic is the sink for Elasticsearch and OpenSearch.
//
// A result becomes the document that the Weave Policy Agent wrote, in fields that its mapping knows, with what Assay knows
// besides under assay. An index that has documents of the old agent goes on being used: what its mapping lacks is added.
//
// In mode insert every result is a document whose id is the result's, in mode upsert the latest result of a day for each
// policy and object is one. An index may be one for all time, or one for each month or day, told by the time of the result,
// so that the same result always goes to the same index and is there once, however often it was sent.
//
// It speaks plain HTTP: what it needs (_bulk, _mapping, _index_template) is the same in both products and all their versions
// of the last years, and the official clients refuse each other's servers.
package elastic
