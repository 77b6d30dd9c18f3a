package agent

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/assay-gitops/assay/internal/agentconfig"
	"github.com/assay-gitops/assay/internal/kube/certs"
)

// certificates are what the webhooks are served with: made by the agent itself, or by somebody else in files.
type certificates struct {
	self  *certs.Self
	files *certs.Files
	// lost tells the leader that the Secret holds nothing that can be served.
	lost   signal
	logger *slog.Logger
}

func newCertificates(config *agentconfig.Config, direct client.Client, owner func(context.Context) *metav1.OwnerReference, logger *slog.Logger) (*certificates, error) {
	c := &certificates{lost: newSignal(), logger: logger}
	w := config.Admission.Webhook
	if w.Certificates == agentconfig.CertificatesFiles {
		var err error
		if c.files, err = certs.NewFiles(w.CertDir, logger); err != nil {
			return nil, fmt.Errorf("reading the certificate in %s: %w", w.CertDir, err)
		}
		return c, nil
	}
	c.self = certs.NewSelf(certs.Options{
		Client: direct, Namespace: config.Namespace, Secret: w.CertificateSecret, DNSNames: webhookNames(config), Validity: w.CertificateValidity,
		Owner: owner, Logger: logger,
	})
	return c, nil
}

// webhookNames are the names by which the API server calls.
func webhookNames(config *agentconfig.Config) []string {
	w := config.Admission.Webhook
	host := fmt.Sprintf("%s.%s.svc", w.Service, config.Namespace)
	names := []string{host, host + ".cluster.local"}
	if w.URL != "" {
		names = append(names, hostOf(w.URL))
	}
	return names
}

func (c *certificates) source() certs.Source {
	if c.files != nil {
		return c.files
	}
	return c.self
}

// GetCertificate is for tls.Config.
func (c *certificates) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.source().GetCertificate(hello)
}

// NotAfter is when the certificate in use expires.
func (c *certificates) NotAfter() time.Time { return c.source().NotAfter() }

// CABundle is what the API server must trust; nil when somebody else tells it.
func (c *certificates) CABundle() []byte { return c.source().CABundle() }

// watch follows the Secret that all replicas share.
func (c *certificates) watch(ctx context.Context, informers cache.Cache) error {
	if c.self == nil {
		return nil
	}
	informer, err := informers.GetInformer(ctx, &corev1.Secret{})
	if err != nil {
		return fmt.Errorf("watching the Secret with the certificate: %w", err)
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    c.load,
		UpdateFunc: func(_, after any) { c.load(after) },
		DeleteFunc: func(any) { c.lost.notify() },
	})
	if err != nil {
		return fmt.Errorf("watching the Secret with the certificate: %w", err)
	}
	return nil
}

func (c *certificates) load(object any) {
	secret, ok := object.(*corev1.Secret)
	if !ok {
		return
	}
	if err := c.self.Load(secret); err != nil {
		c.logger.Warn("the certificate is made anew", "error", err)
		c.lost.notify()
	}
}

// run gets this replica its first certificate: it does not wait for a leader.
func (c *certificates) run(ctx context.Context) error {
	if c.files != nil {
		return c.files.Run(ctx)
	}
	for {
		err := c.self.Ensure(ctx)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		c.logger.Error("there is no certificate for the webhooks", "error", err, "retry", retry)
		if !pause(ctx, retry) {
			return nil
		}
	}
}

// hostOf is the host of a URL without its port.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	host, _, _ := strings.Cut(rest, "/")
	if i := strings.LastIndex(host, ":"); i > 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.Trim(host, "[]")
}
