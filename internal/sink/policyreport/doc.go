// Package policyreport is the sink that writes policy reports into the cluster, where Policy Reporter, Headlamp and others
// show them: those of OpenReports (openreports.io/v1alpha1), or of the Kubernetes Policy Working Group before it
// (wgpolicyk8s.io/v1alpha2). One report is about one object and belongs to it, so that it goes when the object goes; or
// about one namespace. What is in no namespace is in cluster reports.
//
// Reports say how things are, so they are made from audit's results only: audit tells when a finding is resolved. What
// admission refused never was in the cluster, and what it let through audit looks at as well. A report has one result for
// each policy and object; one that is resolved is removed, and a report without results too.
//
// The reports are all the state there is: what has to be added or removed is worked out from the report that is in the
// cluster, and written, when it changes anything, on the condition that nobody changed it since. So results that come twice
// or after a restart do no harm.
package policyreport
