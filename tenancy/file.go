package tenancy

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v2 "github.com/assay-gitops/assay/api/v2"
)

// File is one document of a tenants file. The tags doc, enum, required and old (another spelling) are for its JSON schema.
type File struct {
	ServiceAccount *ServiceAccount   `json:"serviceAccount,omitempty" doc:"A service account that all tenants of the file use, instead of one each. It must exist in their namespaces."`
	Defaults       *Tenant           `json:"defaults,omitempty" doc:"Fields for the tenants of this file that do not set them themselves. Maps are merged key by key."`
	Templates      map[string]Tenant `json:"templates,omitempty" doc:"Named sets of fields that tenants of all files can use with template. Maps are merged key by key."`
	Tenants        []Tenant          `json:"tenants,omitempty" doc:"The tenants."`
}

// ServiceAccount is the account that all tenants of a file share the name of.
type ServiceAccount struct {
	Name        string `json:"name" doc:"Name of the service account in every namespace of the tenants." required:"true"`
	FluxDefault bool   `json:"fluxDefault,omitempty" doc:"Flux runs with --default-service-account set to this name, so that Kustomizations and HelmReleases may leave serviceAccountName out. False by default: then they must name it."`
}

// Tenant is a team and its workspace.
type Tenant struct {
	Name                string            `json:"name,omitempty" doc:"Name of the tenant: a DNS label of at most 63 characters."`
	Template            string            `json:"template,omitempty" doc:"Name of a template whose fields the tenant has unless it sets them itself."`
	Namespaces          []Namespace       `json:"namespaces,omitempty" doc:"The namespaces of the tenant; at least one. Each is a name, or a name with labels and annotations."`
	Labels              map[string]string `json:"labels,omitempty" doc:"Labels for every generated object."`
	AllowedRepositories []Repository      `json:"allowedRepositories,omitempty" doc:"Where the tenant may deploy from. Without a list, from anywhere."`
	AllowedClusters     []Cluster         `json:"allowedClusters,omitempty" doc:"Secrets and ConfigMaps with a kubeconfig that the tenant may deploy to other clusters with. Without a list, to none."`
	TeamRBAC            *TeamRBAC         `json:"teamRBAC,omitempty" doc:"What the people of the team may do in its namespaces."`
	DeploymentRBAC      *DeploymentRBAC   `json:"deploymentRBAC,omitempty" doc:"What the tenant's service account, and so its deployments, may do in its namespaces. Without it, what --default-role says: cluster-admin."`

	Clusters                []string            `json:"clusters,omitempty" doc:"Clusters where the workspace exists: assay create tenants --cluster NAME leaves out those that do not name it. Everywhere when empty."`
	NamespaceLabels         map[string]string   `json:"namespaceLabels,omitempty" doc:"Labels for every namespace of the tenant."`
	NamespaceAnnotations    map[string]string   `json:"namespaceAnnotations,omitempty" doc:"Annotations for every namespace of the tenant."`
	PodSecurity             *PodSecurity        `json:"podSecurity,omitempty" doc:"Levels of Pod Security Admission, as labels of the namespaces."`
	ResourceQuota           *ResourceQuota      `json:"resourceQuota,omitempty" doc:"The spec of a ResourceQuota, made in each namespace."`
	LimitRange              *LimitRange         `json:"limitRange,omitempty" doc:"The spec of a LimitRange, made in each namespace."`
	NetworkPolicy           *NetworkPolicy      `json:"networkPolicy,omitempty" doc:"Network isolation of the namespaces. No NetworkPolicies are made when absent."`
	AllowedRegistries       []string            `json:"allowedRegistries,omitempty" doc:"Prefixes of images that may run, such as ghcr.io/acme; * stands for one part. From anywhere when absent."`
	AllowedHostnames        []string            `json:"allowedHostnames,omitempty" doc:"Hostnames of Ingresses, Gateways and routes; *.shop.example.com stands for all names below. Any when absent."`
	AllowedStorageClasses   []string            `json:"allowedStorageClasses,omitempty" doc:"Storage classes that volumes may name. Any when absent."`
	AllowedServiceTypes     []string            `json:"allowedServiceTypes,omitempty" doc:"Types of Services: ClusterIP, NodePort, LoadBalancer, ExternalName. Any when absent; with a list, externalIPs are refused." enum:"ClusterIP,NodePort,LoadBalancer,ExternalName"`
	AllowControllerIdentity bool                `json:"allowControllerIdentity,omitempty" doc:"Sources, image repositories and decryption may use the cloud identity of Flux's controllers. False by default: they must name the tenant's service account or a secret."`
	Policies                map[string]Settings `json:"policies,omitempty" doc:"Parameters of policies that hold in the workspace, by policy id. They become a PolicyConfig."`
	Exceptions              []Exception         `json:"exceptions,omitempty" doc:"Violations that are accepted in the workspace. Each becomes a PolicyException."`
	Sync                    *Sync               `json:"sync,omitempty" doc:"The tenant's own source and the Flux Kustomization that deploys from it as the tenant's service account."`

	// account and fluxDefault are what the file's serviceAccount says; origin is where the tenant was written.
	account     string
	fluxDefault bool
	origin      place
}

// Account is the name of the service account that the tenant's deployments run as.
func (t *Tenant) Account() string {
	if t.account != "" {
		return t.account
	}
	return t.Name
}

// FluxDefault tells whether Flux itself uses the tenant's account where none is named.
func (t *Tenant) FluxDefault() bool { return t.fluxDefault }

// NamespaceNames are the names of the tenant's namespaces, in the order of the file.
func (t *Tenant) NamespaceNames() []string {
	names := make([]string, len(t.Namespaces))
	for i, ns := range t.Namespaces {
		names[i] = ns.Name
	}
	return names
}

// Place is where the tenant was written: file:line, or the file alone.
func (t *Tenant) Place() string { return t.origin.String() }

// Namespace of a tenant. In a file it may be just the name.
type Namespace struct {
	Name        string            `json:"name" doc:"Name of the namespace." required:"true"`
	Labels      map[string]string `json:"labels,omitempty" doc:"Labels of this namespace."`
	Annotations map[string]string `json:"annotations,omitempty" doc:"Annotations of this namespace."`
}

// Repository is where a tenant may deploy from.
type Repository struct {
	Kind string `json:"kind" doc:"Kind of the Flux source." enum:"GitRepository,Bucket,HelmRepository,OCIRepository" required:"true"`
	URL  string `json:"url" doc:"URL of the repository, for a Bucket its endpoint. In the host and the path, * stands for one part and ** for any number of them. The forms with and without .git, over https and over ssh are one repository." required:"true"`
}

// Cluster is a kubeconfig that a tenant may use. One of the fields is given.
type Cluster struct {
	KubeConfig string `json:"kubeConfig,omitempty" doc:"Name of a Secret with a kubeconfig; * stands for any."`
	ConfigMap  string `json:"configMap,omitempty" doc:"Name of a ConfigMap that describes how to reach a cluster (spec.kubeConfig.configMapRef); * stands for any."`
}

// TeamRBAC is what the people of a team may do.
type TeamRBAC struct {
	GroupNames []string            `json:"groupNames" doc:"Groups of the identity provider." required:"true"`
	Rules      []rbacv1.PolicyRule `json:"rules" doc:"Rules of the team's Role." required:"true"`
}

// DeploymentRBAC is what a tenant's service account may do. At least one of the fields is given.
type DeploymentRBAC struct {
	Rules     []rbacv1.PolicyRule `json:"rules,omitempty" doc:"Rules of a Role for the service account."`
	BindRoles []BindRole          `json:"bindRoles,omitempty" doc:"Roles that exist and that the service account is bound to."`
	Preset    Preset              `json:"preset,omitempty" doc:"A named set of permissions, in addition to rules and bindRoles. deployer: what edit may and Flux objects." enum:"deployer,edit,admin,cluster-admin"`
}

// BindRole is a role that exists.
type BindRole struct {
	Kind string `json:"kind" doc:"Role (in each namespace) or ClusterRole." enum:"Role,ClusterRole" required:"true" old:"Kind"`
	Name string `json:"name" doc:"Name of the role." required:"true" old:"Name"`
}

// PodSecurity are the levels of Pod Security Admission, https://kubernetes.io/docs/concepts/security/pod-security-admission/.
type PodSecurity struct {
	Enforce string `json:"enforce,omitempty" doc:"Pods below this level are refused." enum:"privileged,baseline,restricted"`
	Audit   string `json:"audit,omitempty" doc:"Pods below this level are audited." enum:"privileged,baseline,restricted"`
	Warn    string `json:"warn,omitempty" doc:"Pods below this level are warned about." enum:"privileged,baseline,restricted"`
	Version string `json:"version,omitempty" doc:"Version of the standards, such as v1.37; latest when absent."`
}

// ResourceQuota is the spec of a ResourceQuota.
type ResourceQuota corev1.ResourceQuotaSpec

// LimitRange is the spec of a LimitRange.
type LimitRange corev1.LimitRangeSpec

// The modes of network isolation.
const (
	// NetworkIsolated lets pods talk within their namespace.
	NetworkIsolated = "isolated"
	// NetworkSameTenant lets pods talk within the namespaces of the tenant.
	NetworkSameTenant = "same-tenant"
	// NetworkOpen sets no limits.
	NetworkOpen = "open"
)

// NetworkPolicy is the network isolation of a tenant's namespaces. In a file it may be just the mode.
type NetworkPolicy struct {
	Mode    string                                  `json:"mode" doc:"isolated: within a namespace. same-tenant: within the namespaces of the tenant. open: no limits." enum:"isolated,same-tenant,open" required:"true"`
	DNS     *bool                                   `json:"dns,omitempty" doc:"Whether pods may ask the cluster's DNS (kube-system, port 53). True when absent."`
	Ingress []networkingv1.NetworkPolicyIngressRule `json:"ingress,omitempty" doc:"Exceptions: what else may reach the pods."`
	Egress  []networkingv1.NetworkPolicyEgressRule  `json:"egress,omitempty" doc:"Exceptions: what else the pods may reach."`
}

// Settings are parameters of a policy.
type Settings struct {
	Parameters map[string]any `json:"parameters,omitempty" doc:"Parameters by name. Each replaces the policy's value as a whole."`
}

// Exception accepts violations in the workspace.
type Exception struct {
	Name       string                       `json:"name" doc:"Name of the exception within the tenant." required:"true"`
	Policies   []string                     `json:"policies" doc:"Ids of policies, none of them a tenancy policy; * stands for all but those." required:"true"`
	Reason     string                       `json:"reason" doc:"Says to auditors why." required:"true"`
	Expires    *metav1.Time                 `json:"expires,omitempty" doc:"When the exception ends, such as 2027-01-31T00:00:00Z. Never when absent."`
	Namespaces []string                     `json:"namespaces,omitempty" doc:"Only in these namespaces of the tenant."`
	Apps       []v2.PolicyTargetApplication `json:"apps,omitempty" doc:"Only for what these Flux objects apply."`
	Resources  []v2.PolicyTargetResource    `json:"resources,omitempty" doc:"Only for these objects."`
	Labels     map[string]string            `json:"labels,omitempty" doc:"Only for objects with these labels."`
}

// Sync deploys from the tenant's repository.
type Sync struct {
	Name            string           `json:"name,omitempty" doc:"Name of the source and of the Kustomization; the tenant's name when absent."`
	Namespace       string           `json:"namespace,omitempty" doc:"Namespace of the tenant that they live in; the first when absent."`
	Kind            string           `json:"kind" doc:"Kind of the source." enum:"GitRepository,OCIRepository" required:"true"`
	URL             string           `json:"url" doc:"URL of the repository." required:"true"`
	Ref             map[string]any   `json:"ref,omitempty" doc:"What to take, as in the source's spec.ref: branch, tag, semver, commit or digest. The branch main for a GitRepository when absent."`
	SecretRef       string           `json:"secretRef,omitempty" doc:"Name of a Secret in that namespace with the credentials."`
	Verify          map[string]any   `json:"verify,omitempty" doc:"The source's spec.verify."`
	Path            string           `json:"path,omitempty" doc:"Folder within the repository; its root when absent."`
	TargetNamespace string           `json:"targetNamespace,omitempty" doc:"Namespace of the tenant that everything is put into. Objects choose their own when absent."`
	Interval        *metav1.Duration `json:"interval,omitempty" doc:"How often to look for changes, such as 5m; 10m when absent."`
	Prune           *bool            `json:"prune,omitempty" doc:"Whether what is removed from the repository is removed from the cluster; true when absent."`
	Wait            bool             `json:"wait,omitempty" doc:"Whether to wait until everything is ready."`
}

// fromScalar takes a name alone.
func (n *Namespace) fromScalar(name string) { n.Name = name }

// fromScalar takes a mode alone.
func (n *NetworkPolicy) fromScalar(mode string) { n.Mode = mode }
