// Package policyfile decodes Policies, PolicySets, PolicyConfigs and PolicyExceptions from files into the sources of an
// engine, as strictly as an API server with strict field validation: a file is refused here exactly when the cluster
// would refuse it.
//
// The CRDs are the only description of what is valid. The API server's own code applies them (pruning, defaulting,
// schema and CEL validation); this package adds where in the file a person finds what is wrong and what to do.
package policyfile
