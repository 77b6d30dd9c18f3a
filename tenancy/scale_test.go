package tenancy_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/assay-gitops/assay/tenancy"
)

// many is a file of tenants with five namespaces each.
func many(tenants int) []byte {
	var file bytes.Buffer
	file.WriteString("tenants:\n")
	for i := range tenants {
		fmt.Fprintf(&file, `- name: team-%[1]d
  namespaces: [team-%[1]d-a, team-%[1]d-b, team-%[1]d-c, team-%[1]d-d, team-%[1]d-e]
  labels: {cost-centre: "%[1]d"}
  allowedRepositories:
  - {kind: GitRepository, url: "https://github.com/acme/team-%[1]d"}
  - {kind: OCIRepository, url: "oci://ghcr.io/acme/team-%[1]d/**"}
  teamRBAC:
    groupNames: [team-%[1]d]
    rules: [{apiGroups: ["", apps], resources: [pods, deployments], verbs: [get, list, watch]}]
  deploymentRBAC: {preset: deployer}
  resourceQuota: {hard: {pods: "50", requests.cpu: "10"}}
  networkPolicy: same-tenant
  allowedRegistries: [ghcr.io/acme]
  sync: {kind: GitRepository, url: "https://github.com/acme/team-%[1]d"}
`, i)
	}
	return file.Bytes()
}

// BenchmarkFiveHundredTenants reads, generates and writes 500 tenants with five namespaces each.
func BenchmarkFiveHundredTenants(b *testing.B) {
	file := many(500)
	b.ReportAllocs()
	for b.Loop() {
		out := export(b, generateFrom(b, file, tenancy.Options{}))
		b.ReportMetric(float64(len(out))/1e6, "MB-of-YAML")
	}
}

func TestManyTenantsAreGeneratedAlikeOnEveryRun(t *testing.T) {
	file := many(50)
	first := export(t, generateFrom(t, file, tenancy.Options{}))
	if second := export(t, generateFrom(t, file, tenancy.Options{})); !bytes.Equal(first, second) {
		t.Error("the same file gave two outputs")
	}
}
