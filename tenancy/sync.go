package tenancy

import "time"

// defaultInterval at which Flux looks for changes.
const defaultInterval = 10 * time.Minute

// namespaceOf is the namespace that the tenant's sync objects live in.
func (s *Sync) namespaceOf(t *Tenant) string {
	if s.Namespace != "" {
		return s.Namespace
	}
	return t.Namespaces[0].Name
}

// sync makes the tenant's source and the Kustomization that deploys from it as the tenant's service account.
func (g *generator) sync(ns string) {
	s := g.tenant.Sync
	if s == nil || s.namespaceOf(g.tenant) != ns {
		return
	}
	name := s.Name
	if name == "" {
		name = g.tenant.Name
	}
	interval := defaultInterval.String()
	if s.Interval != nil {
		interval = s.Interval.Duration.String()
	}
	ref := s.Ref
	if ref == nil && s.Kind == "GitRepository" {
		ref = map[string]any{"branch": "main"}
	}
	source := map[string]any{"url": s.URL, "interval": interval}
	if ref != nil {
		source["ref"] = ref
	}
	if s.SecretRef != "" {
		source["secretRef"] = map[string]any{"name": s.SecretRef}
	}
	if s.Verify != nil {
		source["verify"] = s.Verify
	}
	g.guard(gvk("source.toolkit.fluxcd.io/v1", s.Kind), ns, name, map[string]any{"spec": source})
	kustomization := map[string]any{
		"interval":           interval,
		"path":               "./",
		"prune":              s.Prune == nil || *s.Prune,
		"serviceAccountName": g.tenant.Account(),
		"sourceRef":          map[string]any{"kind": s.Kind, "name": name},
	}
	if s.Path != "" {
		kustomization["path"] = s.Path
	}
	if s.TargetNamespace != "" {
		kustomization["targetNamespace"] = s.TargetNamespace
	}
	if s.Wait {
		kustomization["wait"] = true
	}
	g.guard(gvk("kustomize.toolkit.fluxcd.io/v1", "Kustomization"), ns, name, map[string]any{"spec": kustomization})
}
