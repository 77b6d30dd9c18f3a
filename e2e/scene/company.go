package scene

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/assay-gitops/assay/e2e/cluster"
	"github.com/assay-gitops/assay/e2e/flux"
	"github.com/assay-gitops/assay/e2e/release"
)

//go:embed company
var company embed.FS

// agentNamespace is where the chart is installed, as its documentation does.
const agentNamespace = "policy-system"

// deadline bounds what is waited for: it says that something will not happen, never that it was slow.
const deadline = 3 * time.Minute

func file(name string) string {
	content, err := company.ReadFile("company/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return string(content)
}

// furnish makes what is in the cluster: all but the hub and the agent. What violates policies is there before they are.
func (s *Scene) furnish(ctx context.Context) error {
	c := s.cluster
	s.tell("applying what Flux and the teams have")
	if err := flux.InstallKinds(ctx, c); err != nil {
		return err
	}
	if _, err := c.Kubectl(ctx, "", "apply", "--server-side", "-f", filepath.Join(s.checkout, "api/v2/crds")); err != nil {
		return err
	}
	if _, err := c.Kubectl(ctx, "", "wait", "--for", "condition=Established", "--timeout", "60s", "crd",
		"policies.pac.weave.works", "policysets.pac.weave.works", "policyconfigs.pac.weave.works", "policyexceptions.pac.weave.works"); err != nil {
		return err
	}
	tenants := filepath.Join(s.dir, "tenants.yaml")
	if err := os.WriteFile(tenants, []byte(file("tenants.yaml")), 0o600); err != nil {
		return err
	}
	if _, err := c.Kubectl(ctx, file("rights.yaml"), "apply", "-f", "-"); err != nil {
		return err
	}
	if _, err := c.Assay(ctx, "create", "tenants", "--from-file", tenants); err != nil {
		return err
	}
	for _, name := range []string{"team-rights.yaml", "flux.yaml", "workloads.yaml"} {
		if _, err := c.Kubectl(ctx, file(name), "apply", "-f", "-"); err != nil {
			return err
		}
	}
	if _, err := c.Kubectl(ctx, file("flux-status.yaml"), "apply", "--server-side", "--subresource", "status", "-f", "-"); err != nil {
		return err
	}
	return s.govern(ctx)
}

// govern applies the policies that ship, those of the example, and what says where they act.
func (s *Scene) govern(ctx context.Context) error {
	arguments := []string{"apply", "--server-side"}
	for _, pattern := range []string{"library/*/policy.yaml", "examples/shop/policies/*.policy.yaml"} {
		found, err := filepath.Glob(filepath.Join(s.checkout, pattern))
		if err != nil {
			return err
		}
		for _, policy := range found {
			arguments = append(arguments, "-f", policy)
		}
	}
	if _, err := s.cluster.Kubectl(ctx, "", arguments...); err != nil {
		return err
	}
	_, err := s.cluster.Kubectl(ctx, file("governance.yaml"), "apply", "-f", "-")
	return err
}

// accept applies the exceptions when what they accept was found, so that it is told what became of it, and has somebody change what they accept.
func (s *Scene) accept(ctx context.Context) error {
	s.tell("waiting for the first audit")
	err := eventually(ctx, func() error {
		var audits struct {
			Items []struct{ End *time.Time }
		}
		if err := s.Hub.get(ctx, "/v1/audits", &audits); err != nil {
			return err
		}
		if len(audits.Items) == 0 || audits.Items[0].End == nil {
			return errors.New("the hub knows of no audit that has ended")
		}
		return nil
	})
	if err != nil {
		return err
	}
	const day = 24 * time.Hour
	now := time.Now().UTC()
	dated := strings.NewReplacer("{{soon}}", now.Add(5*day).Format(time.RFC3339), "{{past}}", now.Add(-3*day).Format(time.RFC3339)).Replace(file("exceptions.yaml"))
	if _, err := s.cluster.Kubectl(ctx, dated, "apply", "-f", "-"); err != nil {
		return err
	}
	if _, err := s.cluster.Kubectl(ctx, "", "wait", "--for", "condition=Ready", "policyexceptions/node-agent", "--timeout", "2m"); err != nil {
		return err
	}
	_, err = s.cluster.Kubectl(ctx, "", "annotate", "--namespace", "monitoring", "daemonset", "node-agent", "shop.example.com/reviewed=yes")
	return err
}

// guard installs the agent, which sends what it finds to the hub, and waits until policies are ready.
func (s *Scene) guard(ctx context.Context) error {
	s.tell("installing the agent")
	if err := s.cluster.ProvideAssay(ctx); err != nil {
		return err
	}
	sinks := map[string]any{"hubSink": map[string]any{"url": s.Hub.URL}}
	more := []any{
		map[string]any{"apiGroups": []any{"source.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io", "notification.toolkit.fluxcd.io"}, "resources": []any{"*"}, "verbs": []any{"list", "watch"}},
		map[string]any{"apiGroups": []any{"storage.k8s.io", "node.k8s.io", "networking.k8s.io"}, "resources": []any{"csidrivers", "storageclasses", "runtimeclasses", "ingressclasses"}, "verbs": []any{"list", "watch"}},
		// Secrets are not read here, which audits and the hub's pages tell.
		map[string]any{"apiGroups": []any{""}, "resources": []any{"namespaces", "limitranges"}, "verbs": []any{"list", "watch"}},
	}
	values := map[string]any{
		"replicas": 1,
		"audit":    map[string]any{"rules": more},
		"config":   map[string]any{"admission": map[string]any{"sinks": sinks}, "audit": map[string]any{"enabled": true, "sinks": sinks}},
	}
	if err := (release.Releases{Kubeconfig: s.cluster.Kubeconfig, Namespace: agentNamespace, Chart: filepath.Join(s.checkout, "charts/policy-agent")}).Install(ctx, values); err != nil {
		return err
	}
	_, err := s.cluster.Kubectl(ctx, "", "wait", "--for", "condition=Ready", "policies", "--all", "--timeout", "2m")
	return err
}

// refused is what somebody tries to do, and is not allowed to.
type refused struct{ user, object string }

var attempts = []refused{
	{"web", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout-banner, namespace: storefront, labels: {shop.example.com/owner: web}}
spec:
  selector: {matchLabels: {app: checkout-banner}}
  template:
    metadata: {labels: {app: checkout-banner}}
    spec: {containers: [{name: banner, image: "registry.shop.example/banner:latest", securityContext: {privileged: true}}]}
`}, {"web", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart-canary, namespace: storefront-staging, labels: {shop.example.com/owner: web}}
spec:
  selector: {matchLabels: {app: cart-canary}}
  template:
    metadata: {labels: {app: cart-canary}}
    spec: {hostNetwork: true, hostPID: true, containers: [{name: cart, image: registry.shop.example/cart}]}
`}, {"nadia@shop.example", `
apiVersion: apps/v1
kind: Deployment
metadata: {name: recommendations, namespace: catalog, labels: {shop.example.com/owner: assortment}}
spec:
  selector: {matchLabels: {app: recommendations}}
  template:
    metadata: {labels: {app: recommendations}}
    spec: {containers: [{name: app, image: docker.io/acme/recommendations, securityContext: {runAsUser: 0, allowPrivilegeEscalation: true, capabilities: {add: [SYS_ADMIN]}}}]}
`}, {"", `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: everybody}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: Group, name: "system:anonymous", apiGroup: rbac.authorization.k8s.io}]
`},
}

// provoke has people try what policies refuse, until they do: the registration takes a moment.
func (s *Scene) provoke(ctx context.Context) error {
	s.tell("trying what is refused")
	for _, try := range attempts {
		arguments := []string{"create", "-f", "-"}
		if try.user != "" {
			arguments = append(arguments, "--as", try.user)
		}
		err := eventually(ctx, func() error {
			_, err := s.cluster.Kubectl(ctx, try.object, arguments...)
			switch {
			case err != nil && strings.Contains(err.Error(), "denied the request"):
				return nil
			case err == nil:
				if _, err := s.cluster.Kubectl(ctx, try.object, "delete", "-f", "-"); err != nil {
					return err
				}
				return errors.New("it was admitted")
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("%s tries what is to be refused:%s: %w", try.user, try.object, err)
		}
	}
	return nil
}

// eventually asks until there is no error.
func eventually(ctx context.Context, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", deadline, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Cluster is where it is.
func (s *Scene) Cluster() *cluster.Cluster { return s.cluster }
