package agentconfig

import (
	"log/slog"
	"reflect"
	"time"
)

// DefaultNamespace is the agent's namespace when neither the configuration nor the pod tells it.
const DefaultNamespace = "policy-system"

// MetricsOff is the value of [Config.MetricsAddress] that turns metrics off.
const MetricsOff = "0"

// Config is what the agent is told. One that Load returned is complete and valid.
type Config struct {
	// AccountID and ClusterID are copied into every result; may be empty.
	AccountID, ClusterID string
	// KubeConfigFile is the path of a kubeconfig; empty stands for the pod's own ServiceAccount. Defaults to $KUBECONFIG.
	KubeConfigFile string
	LogLevel       slog.Level
	// LogFormat is json or text.
	LogFormat string
	// ProbesListen is the host:port of /healthz and /readyz; port 0 is any free one.
	ProbesListen string
	// MetricsAddress is the host:port of /metrics, or MetricsOff.
	MetricsAddress string
	// Namespace is the agent's own one. It is empty when neither the configuration nor $POD_NAMESPACE says it; then the
	// ServiceAccount's namespace file does, and after that DefaultNamespace.
	Namespace string
	// ResultsDir is the folder that FilesystemSink.FileName is within.
	ResultsDir string
	// Workloads are kinds with a pod template besides those that are known, as policy.ParseWorkload reads them.
	Workloads []string

	Admission     Admission
	Audit         Audit
	TFAdmission   TFAdmission
	Evaluation    Evaluation
	Breaker       Breaker
	Shutdown      Shutdown
	Tracing       Tracing
	PolicyWebhook PolicyWebhook
	Journal       Journal
}

// Journal keeps results until the sinks have them. It is used when a gate has a sink.
type Journal struct {
	// Dir is its folder, which belongs to one process at a time.
	Dir string
	// MaxSize in bytes and MaxAge of what is kept; beyond them the oldest is dropped, delivered or not.
	MaxSize int64
	MaxAge  time.Duration
	// Sync is interval, always or never: when results are forced to the disk.
	Sync string
}

// Admission is the gate at the API server.
type Admission struct {
	Enabled bool
	// Mutate changes objects to the values that policies recommend, before they are judged.
	Mutate  bool
	Webhook Webhook
	Sinks   Sinks
}

// Webhook is the server that the API server calls, and its registration there. It also serves Terraform admission and the
// webhook that judges policies.
type Webhook struct {
	// Listen is the server's port.
	Listen int
	// CertDir holds tls.crt and tls.key when Certificates is files.
	CertDir string
	// Certificates is CertificatesSelf or CertificatesFiles.
	Certificates string
	// Register is whether the agent writes its own webhook registration.
	Register bool
	// Service and ServicePort are what the API server calls, in the agent's namespace.
	Service     string
	ServicePort int
	// URL is what it calls instead of the service: https, without a slash at the end. Empty means the service.
	URL string
	// CertificateSecret is the name of the Secret that keeps certificates of the agent's own making.
	CertificateSecret   string
	CertificateValidity time.Duration
	// FailurePolicy is Fail or Ignore. Ignore makes every webhook Ignore, whatever its policies say.
	FailurePolicy string
	// Timeout in whole seconds, 1 to 30, after which the API server gives a request up.
	Timeout time.Duration
	// ExcludeNamespaces are not judged at admission.
	ExcludeNamespaces []string
}

// Where the webhook's certificates come from.
const (
	// CertificatesSelf are made and renewed by the agent.
	CertificatesSelf = "self"
	// CertificatesFiles are made by somebody else, such as cert-manager.
	CertificatesFiles = "files"
)

// What the API server does when a webhook does not answer.
const (
	FailurePolicyFail   = "Fail"
	FailurePolicyIgnore = "Ignore"
)

// Audit judges what already runs in the cluster.
type Audit struct {
	Enabled bool
	// WriteCompliance also sends to sinks what complies.
	WriteCompliance bool
	// Interval between full passes; at least an hour.
	Interval time.Duration
	Sinks    Sinks
}

// TFAdmission judges Terraform plans at /terraform/admission.
type TFAdmission struct {
	Enabled bool
	Auth    TFAuth
	// MaxBodySize of a request in bytes.
	MaxBodySize int64
	Sinks       Sinks
}

// TFAuth says who may ask for Terraform admission. With both empty, whoever reaches the port may.
type TFAuth struct {
	// TokenFile holds the bearer token that a caller must send.
	TokenFile string
	// ClientCAFile holds the PEM certificates of those whose client certificates are accepted.
	ClientCAFile string
}

// Evaluation bounds what one policy may use.
type Evaluation struct {
	// Timeout of one policy on one object.
	Timeout time.Duration
	// AllowNetwork gives policies the built-ins that open connections.
	AllowNetwork bool
	// MemoryLimit is the heap in bytes at which evaluations are stopped; 0 leaves it to the agent, which derives it from the
	// limit of its container.
	MemoryLimit int64
}

// Breaker degrades a policy to warnings for a while when Failures of its evaluations within Window took longer than Budget or
// failed.
type Breaker struct {
	Enabled  bool
	Budget   time.Duration
	Failures int
	Window   time.Duration
	// Pause until the policy is tried again.
	Pause time.Duration
}

// Shutdown says how the agent ends.
type Shutdown struct {
	// Delay between the signal and the moment the agent stops accepting requests, so that everybody has learned that it goes.
	Delay time.Duration
	// Timeout for requests that have been accepted.
	Timeout time.Duration
}

// Tracing sends traces by OTLP.
type Tracing struct {
	// Endpoint is host:port, spoken to by gRPC, or an http or https URL; empty turns tracing off.
	Endpoint string
	// Insecure speaks to a host:port without TLS.
	Insecure bool
	// SampleRatio of requests that are traced, 0 to 1.
	SampleRatio float64
}

// PolicyWebhook is the webhook that judges policies, policy sets, configs and exceptions when they are applied.
type PolicyWebhook struct {
	// FailurePolicy is Fail or Ignore.
	FailurePolicy string
}

// Sinks are where the results of a gate go; nil for those that are not configured.
type Sinks struct {
	FilesystemSink       *FilesystemSink
	K8sEventsSink        *K8sEventsSink
	FluxNotificationSink *FluxNotificationSink
	ElasticSink          *ElasticSink
	WebhookSink          *WebhookSink
	HubSink              *HubSink
	// PolicyReportSink is only audit's.
	PolicyReportSink *PolicyReportSink
}

// Filter says which results a sink gets: those that match each list that is not empty. Policies (ids) and namespaces may have
// wildcards.
type Filter struct {
	Severities, Policies, Namespaces, Statuses []string
}

// FilesystemSink appends results to a file, a line of JSON each.
type FilesystemSink struct {
	// FileName is a path within Config.ResultsDir; it cannot leave that.
	FileName string
	// MaxSize in bytes and MaxAge of the file before it is put aside; an age of 0 never does. MaxFiles that were put aside
	// are kept.
	MaxSize  int64
	MaxAge   time.Duration
	MaxFiles int
	// Sync forces each batch to the disk before it counts as delivered.
	Sync   bool
	Filter Filter
}

// K8sEventsSink writes results as Kubernetes events.
type K8sEventsSink struct {
	Enabled bool
	// Manifests puts the whole manifests of objects into events, without what is secret.
	Manifests bool
	Filter    Filter
}

// FluxNotificationSink sends results about objects that Flux applies to Flux's notification-controller.
type FluxNotificationSink struct {
	// Address is an http or https URL; empty for Kubernetes events only.
	Address string
	Filter  Filter
}

// PolicyReportSink keeps policy reports in the cluster.
type PolicyReportSink struct {
	Enabled bool
	// API is openreports or wgpolicy, Scope object or namespace.
	API, Scope string
	// Filter has policies and namespaces only. That a finding is resolved has another status than the finding and, when its
	// policy is gone, no severity: by these it would be kept from the reports, which would keep the finding.
	Filter Filter
}

// ElasticSink writes results into an index of Elasticsearch or OpenSearch.
type ElasticSink struct {
	// Address is an http or https URL without credentials.
	Address   string
	Username  string
	Password  Secret
	IndexName string
	// InsertionMode is insert (every result) or upsert (the latest one of a day for each policy and object).
	InsertionMode string
	// IndexPeriod is none (one index for all time), month or day (an index for each).
	IndexPeriod string
	// Template: the agent puts the index template, makes the index and adds to its mapping what it lacks.
	Template bool
	// APIKey instead of user and password, as the server encodes it.
	APIKey Secret
	// PasswordFile and APIKeyFile hold the secrets instead; read for each request.
	PasswordFile, APIKeyFile string
	// CAFile holds the PEM certificates that the server's is verified with; empty for those of the system.
	CAFile string
	// InsecureSkipVerify takes any certificate.
	InsecureSkipVerify bool
	Filter             Filter
}

// HubSink sends results to a hub.
type HubSink struct {
	Filter
	// URL of the hub, https, or http on loopback.
	URL string
	// TokenFile holds the bearer token that tells the hub which cluster the results are of.
	TokenFile string
	CAFile    string
}

// WebhookSink posts results as JSON.
type WebhookSink struct {
	// URL is http or https, without credentials.
	URL string
	// SecretFile holds the secrets that sign requests, one a line; read for each request. Empty leaves them unsigned.
	SecretFile string
	// HeadersFile holds headers that are sent as well, one a line as Name: value; read for each request.
	HeadersFile string
	// CAFile holds the PEM certificates that the server's is verified with; empty for those of the system.
	CAFile string
	Filter Filter
}

// defaults is what holds without any file.
func defaults() Config {
	return Config{
		LogLevel:       slog.LevelInfo,
		LogFormat:      "json",
		ProbesListen:   ":9000",
		MetricsAddress: ":8080",
		ResultsDir:     "/logs",
		Admission: Admission{
			Webhook: Webhook{
				Listen:              8443,
				CertDir:             "/certs",
				Certificates:        CertificatesSelf,
				Register:            true,
				Service:             "policy-agent",
				ServicePort:         443,
				CertificateSecret:   "policy-agent-cert",
				CertificateValidity: 90 * 24 * time.Hour,
				FailurePolicy:       FailurePolicyFail,
				Timeout:             5 * time.Second,
			},
		},
		Journal:       Journal{Dir: "/var/lib/assay/journal", MaxSize: 1 << 30, MaxAge: 7 * 24 * time.Hour, Sync: "interval"},
		Audit:         Audit{Interval: 24 * time.Hour},
		TFAdmission:   TFAdmission{MaxBodySize: 16 << 20},
		Evaluation:    Evaluation{Timeout: time.Second},
		Breaker:       Breaker{Enabled: true, Budget: 200 * time.Millisecond, Failures: 5, Window: time.Minute, Pause: 30 * time.Second},
		Shutdown:      Shutdown{Delay: 5 * time.Second, Timeout: 20 * time.Second},
		Tracing:       Tracing{SampleRatio: 1},
		PolicyWebhook: PolicyWebhook{FailurePolicy: FailurePolicyIgnore},
	}
}

// RestartNeeded lists the keys in which next differs from c and that a running agent cannot take over, in the order of
// the reference; empty when a reload suffices. A sink that differs is named, never its values.
func (c *Config) RestartNeeded(next *Config) []string {
	var differ []string
	// The drafts are only read.
	after := keys(newDraft(*next))
	for i, before := range keys(newDraft(*c)) {
		if !before.reload && before.value.show() != after[i].value.show() {
			differ = append(differ, before.name)
		}
	}
	for _, gate := range []struct {
		section   string
		from, now Sinks
	}{
		{"admission.sinks", c.Admission.Sinks, next.Admission.Sinks},
		{"audit.sinks", c.Audit.Sinks, next.Audit.Sinks},
		{"tfAdmission.sinks", c.TFAdmission.Sinks, next.TFAdmission.Sinks},
	} {
		for _, sink := range []struct {
			name      string
			from, now any
		}{
			{"filesystemSink", gate.from.FilesystemSink, gate.now.FilesystemSink},
			{"k8sEventsSink", gate.from.K8sEventsSink, gate.now.K8sEventsSink},
			{"fluxNotificationSink", gate.from.FluxNotificationSink, gate.now.FluxNotificationSink},
			{"elasticSink", gate.from.ElasticSink, gate.now.ElasticSink},
			{"webhookSink", gate.from.WebhookSink, gate.now.WebhookSink},
			{"hubSink", gate.from.HubSink, gate.now.HubSink},
			{"policyReportSink", gate.from.PolicyReportSink, gate.now.PolicyReportSink},
		} {
			if !reflect.DeepEqual(sink.from, sink.now) {
				differ = append(differ, gate.section+"."+sink.name)
			}
		}
	}
	return differ
}
