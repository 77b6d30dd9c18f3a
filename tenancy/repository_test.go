package tenancy

import (
	"regexp"
	"testing"
)

func TestRepositoriesAreTheSameInAllTheirForms(t *testing.T) {
	tests := []struct {
		kind, allowed, url string
		want               bool
	}{
		{"GitRepository", "https://github.com/acme/shop", "https://github.com/acme/shop", true},
		{"GitRepository", "https://github.com/acme/shop", "https://github.com/acme/shop.git", true},
		{"GitRepository", "https://github.com/acme/shop.git", "https://GitHub.com/acme/shop", true},
		{"GitRepository", "https://github.com/acme/shop", "ssh://git@github.com/acme/shop", true},
		{"GitRepository", "git@github.com:acme/shop.git", "https://github.com/acme/shop", true},
		{"GitRepository", "https://github.com/acme/shop", "https://github.com:443/acme/shop/", true},
		{"GitRepository", "https://github.com/acme/shop", "http://github.com/acme/shop", false},
		{"GitRepository", "https://github.com/acme/shop", "https://github.com/acme/shop-evil", false},
		{"GitRepository", "https://github.com/acme/shop", "https://github.com/acme/shop/evil", false},
		{"GitRepository", "https://github.com/acme/shop", "https://github.com.evil.example/acme/shop", false},
		{"GitRepository", "https://github.com/acme/shop", "https://github.com@evil.example/acme/shop", false},
		{"GitRepository", "https://github.com/acme/shop", "https://githubXcom/acme/shop", false},
		{"GitRepository", "https://github.com/acme/shop", "https://github.com/acme/shop\n", false},
		{"GitRepository", "https://github.com/acme/shop", "https://github.com/acme/shop?x=y", false},
		{"GitRepository", "https://github.com/acme/*", "https://github.com/acme/shop", true},
		{"GitRepository", "https://github.com/acme/*", "https://github.com/acme/.git", false},
		{"GitRepository", "https://github.com/acme/*", "https://github.com/acme/../evil/x", false},
		{"GitRepository", "https://github.com/acme/*", "https://github.com/acme/a/b", false},
		{"GitRepository", "https://git.example.com/acme/**", "https://git.example.com/acme/a/b", true},
		{"GitRepository", "https://git.example.com/acme/**", "https://git.example.com/acme/a/../../b", false},
		{"GitRepository", "https://git.example.com/acme/**", "https://git.example.com/acme/a/%2e%2e/b", false},
		{"GitRepository", "https://*.example.com/acme/shop", "https://git.example.com/acme/shop", true},
		{"GitRepository", "https://*.example.com/acme/shop", "https://a.b.example.com/acme/shop", false},
		{"GitRepository", "https://git.example.com:8443/shop", "https://git.example.com:8443/shop", true},
		{"GitRepository", "https://git.example.com:8443/shop", "https://git.example.com/shop", false},
		{"GitRepository", "ssh://git@git.example.com:2222/shop", "ssh://git@git.example.com:2222/shop.git", true},
		{"HelmRepository", "https://charts.example.com", "https://charts.example.com/", true},
		{"HelmRepository", "https://charts.example.com", "https://charts.example.com/other", false},
		{"OCIRepository", "oci://ghcr.io/acme/**", "oci://ghcr.io/acme/a/b", true},
		{"OCIRepository", "oci://ghcr.io/acme/**", "oci://ghcr.io/acme", false},
		{"Bucket", "minio.example.com:9000", "minio.example.com:9000", true},
		{"Bucket", "minio.example.com", "minio.example.com.evil.example", false},
	}
	for _, test := range tests {
		pattern, err := repositoryPattern(Repository{Kind: test.kind, URL: test.allowed})
		if err != nil {
			t.Errorf("%s: %v", test.allowed, err)
			continue
		}
		if got := regexp.MustCompile(pattern).MatchString(test.url); got != test.want {
			t.Errorf("%s allows %q: %v, want %v (%s)", test.allowed, test.url, got, test.want, pattern)
		}
	}
}

func TestImagesAreBelowTheirRegistry(t *testing.T) {
	tests := []struct {
		allowed, image string
		want           bool
	}{
		{"ghcr.io/acme", "ghcr.io/acme/shop:1", true},
		{"ghcr.io/acme/", "ghcr.io/acme/a/b@sha256:0", true},
		{"ghcr.io/acme", "ghcr.io/acme-evil/shop", false},
		{"ghcr.io/acme", "ghcr.io.evil.example/acme/shop", false},
		{"ghcr.io", "ghcr.io/anything", true},
		{"*.example.com/acme", "eu.example.com/acme/shop", true},
		{"registry:5000/acme", "registry:5000/acme/shop", true},
		{"registry:5000/acme", "registry/acme/shop", false},
	}
	for _, test := range tests {
		pattern, err := imagePattern(test.allowed)
		if err != nil {
			t.Errorf("%s: %v", test.allowed, err)
			continue
		}
		if got := regexp.MustCompile(pattern).MatchString(test.image); got != test.want {
			t.Errorf("%s allows %q: %v, want %v", test.allowed, test.image, got, test.want)
		}
	}
}
