package agentconfig

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

// key is one thing that can be configured.
type key struct {
	// name with its sections, such as admission.webhook.listen. People write it in any case.
	name  string
	value value
	// reload is whether a running agent takes a change over.
	reload bool
	// meaning is a sentence or two of Markdown.
	meaning string
	// absent is what the reference shows as the default where that is not a value; may be empty.
	absent string
}

// variable of the environment that overrides the key.
func (k *key) variable() string { return strings.ToUpper(strings.ReplaceAll(k.name, ".", "_")) }

// draft is a configuration while it is read.
type draft struct {
	Config
	// The sinks of the gates. Which of them the configuration has is known when all of it is read.
	admission, audit, tfAdmission sinkDraft
}

type sinkDraft struct {
	filesystem FilesystemSink
	events     K8sEventsSink
	flux       FluxNotificationSink
	elastic    ElasticSink
	webhook    WebhookSink
	hub        HubSink
	reports    PolicyReportSink
}

func newDraft(c Config) *draft {
	d := &draft{Config: c}
	for _, sinks := range []*sinkDraft{&d.admission, &d.audit, &d.tfAdmission} {
		sinks.elastic.InsertionMode, sinks.elastic.IndexPeriod, sinks.elastic.Template = "insert", "none", true
		sinks.filesystem.MaxSize, sinks.filesystem.MaxFiles = 100<<20, 5
		sinks.events.Manifests = true
		sinks.hub.TokenFile = "/var/run/secrets/assay-hub/token"
		sinks.reports.API, sinks.reports.Scope = "openreports", "object"
	}
	return d
}

// The longest durations that make sense; a typo beyond them is told.
const (
	day  = 24 * time.Hour
	year = 365 * day
)

// keys is every key of the configuration, each bound to its field of the draft.
func keys(d *draft) []key {
	webhook, breaker := &d.Admission.Webhook, &d.Breaker
	all := []key{
		{"accountId", textValue(&d.AccountID), false, "Copied into every result.", ""},
		{"clusterId", textValue(&d.ClusterID), false, "Copied into every result; tells clusters apart.", ""},
		{"kubeConfigFile", textValue(&d.KubeConfigFile), false, "A kubeconfig, to run outside of the cluster.", "`$KUBECONFIG`, or else the pod's ServiceAccount"},
		{"logLevel", levelValue(&d.LogLevel), true, "The least level that is logged.", ""},
		{"logFormat", choiceValue(&d.LogFormat, "json", "text"), false, "How log lines are written.", ""},
		{"probesListen", listenValue(&d.ProbesListen, ""), false, "Where `/healthz` and `/readyz` are served.", ""},
		{"metricsAddress", listenValue(&d.MetricsAddress, MetricsOff), false, "Where `/metrics` is served.", ""},
		{"namespace", optional(&d.Namespace, nameValue(&d.Namespace, "name of a namespace", validation.IsDNS1123Label)), false, "The agent's own namespace, whose objects are never judged at admission.",
			"`$POD_NAMESPACE`, or else the ServiceAccount's, or else `" + DefaultNamespace + "`"},
		{"workloads", workloadsValue(&d.Workloads), false, "Kinds with a pod template that Assay does not know, judged by the policies about Deployments too: `argoproj.io/Rollout=spec.template` says where the template is; with `:StatefulSet`, `:DaemonSet`, `:ReplicaSet` or `:Job` after it, the policies about those judge it instead.",
			"those of Argo Rollouts, OpenKruise, Knative, OpenShift and KEDA are known"},
		{"resultsDir", pathValue(&d.ResultsDir), false, "The folder for the files of `filesystemSink`.", ""},

		{"admission.enabled", boolValue(&d.Admission.Enabled), false, "Judge objects when they are applied.", ""},
		{"admission.mutate", boolValue(&d.Admission.Mutate), true, "Change objects to the values that policies recommend before they are judged. Needs `admission.enabled`.", ""},
		{"admission.webhook.listen", portValue(&webhook.Listen), false, "The port of the server for every webhook, Terraform's included.", ""},
		{"admission.webhook.certificates", choiceValue(&webhook.Certificates, CertificatesSelf, CertificatesFiles), false,
			"`self`: the agent makes its certificates and renews them. `files`: somebody else does, such as cert-manager.", "`self`; `files` when `admission.webhook.certDir` is set"},
		{"admission.webhook.certDir", pathValue(&webhook.CertDir), false, "The folder with `tls.crt` and `tls.key` when certificates are files.", ""},
		{"admission.webhook.certificateSecret", nameValue(&webhook.CertificateSecret, "name of a Secret", validation.IsDNS1123Subdomain), false,
			"The Secret in the agent's namespace that keeps certificates of its own making.", ""},
		{"admission.webhook.certificateValidity", durationValue(&webhook.CertificateValidity, time.Minute, 10*year, 1), false, "How long such a certificate is valid.", ""},
		{"admission.webhook.register", boolValue(&webhook.Register), false, "Whether the agent writes its own webhook registration.", ""},
		{"admission.webhook.service", nameValue(&webhook.Service, "name of a Service", validation.IsDNS1035Label), false, "The Service in the agent's namespace that the API server calls.", ""},
		{"admission.webhook.servicePort", portValue(&webhook.ServicePort), true, "The port of that Service.", ""},
		{"admission.webhook.url", optional(&webhook.URL, urlValue(&webhook.URL, false, "https")), false, "What the API server calls instead of the Service.", ""},
		{"admission.webhook.failurePolicy", choiceValue(&webhook.FailurePolicy, FailurePolicyFail, FailurePolicyIgnore), true,
			"`Ignore` lets objects pass while the agent does not answer, whatever policies say. With `Fail` each policy says it.", ""},
		{"admission.webhook.timeout", durationValue(&webhook.Timeout, time.Second, 30*time.Second, time.Second), true, "How long the API server waits, in whole seconds.", ""},
		{"admission.webhook.excludeNamespaces", namespacesValue(&webhook.ExcludeNamespaces), true, "Namespaces whose objects are not judged at admission, besides those that never are.", ""},

		{"audit.enabled", boolValue(&d.Audit.Enabled), false, "Judge what runs in the cluster.", ""},
		{"audit.interval", intervalValue(&d.Audit.Interval, time.Hour, year), true, "Between full passes: a number is hours.", ""},
		{"audit.writeCompliance", boolValue(&d.Audit.WriteCompliance), true, "Send also what complies to the sinks.", ""},

		{"tfAdmission.enabled", boolValue(&d.TFAdmission.Enabled), false, "Judge Terraform plans that are sent to `/terraform/admission`.", ""},
		{"tfAdmission.auth.tokenFile", optional(&d.TFAdmission.Auth.TokenFile, pathValue(&d.TFAdmission.Auth.TokenFile)), false, "The file with the bearer token that a caller must send.", ""},
		{"tfAdmission.auth.clientCAFile", optional(&d.TFAdmission.Auth.ClientCAFile, pathValue(&d.TFAdmission.Auth.ClientCAFile)), false, "The file with the PEM certificates that sign client certificates of callers.", ""},
		{"tfAdmission.maxBodySize", sizeValue(&d.TFAdmission.MaxBodySize, false, 1<<10, 1<<30), false, "The largest request that is read.", ""},
	}
	all = append(all, sinkKeys("admission", &d.admission)...)
	all = append(all, sinkKeys("audit", &d.audit)...)
	all = append(all, reportKeys("audit.sinks.policyReportSink.", &d.audit.reports)...)
	all = append(all, sinkKeys("tfAdmission", &d.tfAdmission)...)
	return append(all,
		key{"evaluation.timeout", durationValue(&d.Evaluation.Timeout, time.Millisecond, time.Minute, 1), true, "How long one policy may take for one object.", ""},
		key{"evaluation.allowNetwork", boolValue(&d.Evaluation.AllowNetwork), false, "Let policies open connections (`http.send` and its kin).", ""},
		key{"evaluation.memoryLimit", sizeValue(&d.Evaluation.MemoryLimit, true, 32<<20, 1<<40), true, "The heap at which evaluations are stopped; 0 derives it from the limit of the container.", ""},

		key{"breaker.enabled", boolValue(&breaker.Enabled), true, "Degrade a policy whose evaluations fail or take too long to warnings for a while.", ""},
		key{"breaker.budget", durationValue(&breaker.Budget, time.Millisecond, time.Minute, 1), true, "How long an evaluation may take before it counts.", ""},
		key{"breaker.failures", intValue(&breaker.Failures, "number", 1, 1_000_000), true, "How many of them degrade a policy, …", ""},
		key{"breaker.window", durationValue(&breaker.Window, time.Second, day, 1), true, "… within this time.", ""},
		key{"breaker.pause", durationValue(&breaker.Pause, time.Second, day, 1), true, "How long until it is tried again.", ""},

		key{"shutdown.delay", durationValue(&d.Shutdown.Delay, 0, time.Hour, 1), true, "How long requests are still accepted after SIGTERM, until everybody has learned that the pod goes.", ""},
		key{"shutdown.timeout", durationValue(&d.Shutdown.Timeout, time.Second, time.Hour, 1), true, "How long accepted requests have to finish.", ""},

		key{"tracing.endpoint", optional(&d.Tracing.Endpoint, endpointValue(&d.Tracing.Endpoint)), false, "Where traces are sent by OTLP: `host:port` for gRPC, a URL for HTTP. Without it there are none.", ""},
		key{"tracing.insecure", boolValue(&d.Tracing.Insecure), false, "Speak to a `host:port` without TLS. A URL says it by its scheme.", ""},
		key{"tracing.sampleRatio", ratioValue(&d.Tracing.SampleRatio), false, "The share of requests that are traced.", ""},

		key{"journal.dir", pathValue(&d.Journal.Dir), false, "The folder in which results are kept until the sinks have them. It belongs to one replica.", ""},
		key{"journal.maxSize", sizeValue(&d.Journal.MaxSize, false, 1<<20, 1<<40), false, "How much of the disk that takes. Beyond it the oldest results are dropped, delivered or not.", ""},
		key{"journal.maxAge", durationValue(&d.Journal.MaxAge, time.Second, 10*year, 1), false, "How old results get before they are dropped.", ""},
		key{"journal.sync", choiceValue(&d.Journal.Sync, "interval", "always", "never"), false,
			"When results are forced to the disk, in case the machine loses power: each second, before each answer, or when the kernel likes.", ""},

		key{"policyWebhook.failurePolicy", choiceValue(&d.PolicyWebhook.FailurePolicy, FailurePolicyFail, FailurePolicyIgnore), true,
			"Whether policies can be applied while the agent, which judges them too, does not answer.", ""},
	)
}

// sinkKeys are those of the sinks of one gate.
func sinkKeys(gate string, s *sinkDraft) []key {
	prefix := gate + ".sinks."
	all := []key{
		{prefix + "filesystemSink.fileName", localPathValue(&s.filesystem.FileName), false, "The file within `resultsDir` that results are appended to, as JSON lines.", ""},
		{prefix + "filesystemSink.maxSize", sizeValue(&s.filesystem.MaxSize, false, 1<<20, 1<<40), false, "How large the file gets before it is put aside, under a name with the time.", ""},
		{prefix + "filesystemSink.maxAge", durationValue(&s.filesystem.MaxAge, 0, year, 1), false, "Puts the file aside at multiples of it, such as every midnight UTC for 24h; 0 never does.", ""},
		{prefix + "filesystemSink.maxFiles", intValue(&s.filesystem.MaxFiles, "number", 1, 100_000), false, "How many files that were put aside are kept.", ""},
		{prefix + "filesystemSink.sync", boolValue(&s.filesystem.Sync), false, "Force each batch to the disk before it counts as delivered.", ""},
		{prefix + "k8sEventsSink.enabled", boolValue(&s.events.Enabled), false, "Write results as Kubernetes events.", ""},
		{prefix + "k8sEventsSink.manifests", boolValue(&s.events.Manifests), false, "Put whole manifests into the events, without what is secret in them. Who may read events reads them.", ""},
		{prefix + "fluxNotificationSink.address", optional(&s.flux.Address, urlValue(&s.flux.Address, false, "http", "https")), false,
			"Flux's notification-controller, for results about objects that Flux applies. Empty for events only.", ""},
		{prefix + "elasticSink.address", urlValue(&s.elastic.Address, true, "http", "https"), false, "The server of Elasticsearch or OpenSearch.", ""},
		{prefix + "elasticSink.username", textValue(&s.elastic.Username), false, "The user, for basic authentication.", ""},
		{prefix + "elasticSink.password", secretValue(&s.elastic.Password), false, "Better given by the environment, from a Secret.", ""},
		{prefix + "elasticSink.indexName", indexValue(&s.elastic.IndexName), false, "The index that results are written to.", ""},
		{prefix + "elasticSink.insertionMode", choiceValue(&s.elastic.InsertionMode, "insert", "upsert"), false,
			"`insert` keeps every result, `upsert` the latest of a day for each policy and object.", ""},
		{prefix + "elasticSink.indexPeriod", choiceValue(&s.elastic.IndexPeriod, "none", "month", "day"), false,
			"`month` and `day` write to indexes with their date after the name, in UTC, so that old ones can be deleted as a whole.", ""},
		{prefix + "elasticSink.template", boolValue(&s.elastic.Template), false, "Put the index template, make the index, and add to its mapping what it lacks.", ""},
		{prefix + "elasticSink.passwordFile", optional(&s.elastic.PasswordFile, pathValue(&s.elastic.PasswordFile)), false, "The file with the password instead, read for each request.", ""},
		{prefix + "elasticSink.apiKey", secretValue(&s.elastic.APIKey), false, "An API key instead of user and password, encoded as the server gave it. Better given by the environment.", ""},
		{prefix + "elasticSink.apiKeyFile", optional(&s.elastic.APIKeyFile, pathValue(&s.elastic.APIKeyFile)), false, "The file with the API key instead, read for each request.", ""},
		{prefix + "elasticSink.caFile", optional(&s.elastic.CAFile, pathValue(&s.elastic.CAFile)), false, "The file with the PEM certificates that sign the server's.", "those of the system"},
		{prefix + "elasticSink.insecureSkipVerify", boolValue(&s.elastic.InsecureSkipVerify), false, "Take any certificate. Whoever is between agent and server then reads the credentials.", ""},
		{prefix + "webhookSink.url", urlValue(&s.webhook.URL, false, "http", "https"), false, "The server that results are posted to, as JSON.", ""},
		{prefix + "webhookSink.secretFile", optional(&s.webhook.SecretFile, pathValue(&s.webhook.SecretFile)), false,
			"The file with the secrets that sign the requests (https://www.standardwebhooks.com), one a line.", ""},
		{prefix + "webhookSink.headersFile", optional(&s.webhook.HeadersFile, pathValue(&s.webhook.HeadersFile)), false,
			"The file with headers that are sent as well, one a line, such as `Authorization: Bearer …`.", ""},
		{prefix + "webhookSink.caFile", optional(&s.webhook.CAFile, pathValue(&s.webhook.CAFile)), false, "The file with the PEM certificates that sign the server's.", "those of the system"},
		{prefix + "hubSink.url", urlValue(&s.hub.URL, false, "http", "https"), false, "The hub, which keeps results and answers questions about them.", ""},
		{prefix + "hubSink.tokenFile", pathValue(&s.hub.TokenFile), false, "The file with the token that tells the hub which cluster this is. The chart mounts one of the agent's ServiceAccount for a hub in the same cluster.", ""},
		{prefix + "hubSink.caFile", optional(&s.hub.CAFile, pathValue(&s.hub.CAFile)), false, "The file with the PEM certificates that sign the hub's.", "those of the system"},
	}
	for _, filtered := range []struct {
		sink   string
		filter *Filter
	}{
		{"filesystemSink", &s.filesystem.Filter}, {"k8sEventsSink", &s.events.Filter}, {"fluxNotificationSink", &s.flux.Filter}, {"elasticSink", &s.elastic.Filter},
		{"webhookSink", &s.webhook.Filter}, {"hubSink", &s.hub.Filter},
	} {
		all = append(all, filterKeys(prefix+filtered.sink+".filter.", filtered.filter)...)
	}
	return all
}

// reportKeys are those of the sink that only audit has.
func reportKeys(prefix string, s *PolicyReportSink) []key {
	return []key{
		{prefix + "enabled", boolValue(&s.Enabled), false, "Keep what audit finds in the cluster as policy reports.", ""},
		{prefix + "api", choiceValue(&s.API, "openreports", "wgpolicy"), false, "`openreports` writes reports of `openreports.io/v1alpha1`, `wgpolicy` those of `wgpolicyk8s.io/v1alpha2`.", ""},
		{prefix + "scope", choiceValue(&s.Scope, "object", "namespace"), false, "A report for each object, which goes with it, or for each namespace.", ""},
		{prefix + "filter.policies", patternsValue(&s.Filter.Policies), false, "Only findings of policies with these ids; `*` stands for any text.", "all"},
		{prefix + "filter.namespaces", patternsValue(&s.Filter.Namespaces), false, "Only findings about objects in these namespaces; `*` stands for any text.", "all"},
	}
}

// filterKeys are those of the filter of one sink.
func filterKeys(prefix string, f *Filter) []key {
	return []key{
		{prefix + "severities", wordsValue(&f.Severities, "low", "medium", "high"), false, "Only results of policies of these severities.", "all"},
		{prefix + "policies", patternsValue(&f.Policies), false, "Only results of policies with these ids; `*` stands for any text.", "all"},
		{prefix + "namespaces", patternsValue(&f.Namespaces), false, "Only results of objects in these namespaces; `*` stands for any text.", "all"},
		{prefix + "statuses", wordsValue(&f.Statuses, "violation", "compliance", "excepted", "error"), false, "Only results of these statuses.", "all"},
	}
}
