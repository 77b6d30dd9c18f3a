// Package tenancy turns a file that describes tenants into the Kubernetes objects that give each of them its workspace, and
// into the policies that keep it there. It does no input or output and knows no cluster.
//
// Read reads files, every error with its place; Generate makes the objects, in a stable order:
//
//	tenants, err := tenancy.Read([]tenancy.Source{{Name: "tenants.yaml", Content: content}}, tenancy.Options{})
//	workspaces, err := tenancy.Generate(tenants)
//	for _, w := range workspaces {
//		apply(w.Objects)
//	}
//
// The format of the file is that of Weave GitOps' `gitops create tenants`, whose files work unchanged, and what was
// added to it; the names of its objects, their labels and the ids of its policies are the same. See docs/workspaces.md.
package tenancy
