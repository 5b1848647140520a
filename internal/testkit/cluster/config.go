package cluster

import (
	"bytes"
	"crypto/x509/pkix"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// settings are what the daemons' files and arguments depend on.
type settings struct {
	Dir, Pause, Runc, Node, Cgroup, CNI string
	APIPort, KubeletPort, Registry      string
	Network                             network
	tools                               tools.Tools
}

func (s settings) PKI() string           { return filepath.Join(s.Dir, "pki") }
func (s settings) AdminConfig() string   { return filepath.Join(s.Dir, "admin.kubeconfig") }
func (s settings) KubeletConfig() string { return filepath.Join(s.Dir, "kubelet.kubeconfig") }
func (s settings) Bridge() string        { return s.Network.bridge() }
func (s settings) Pods() string          { return s.Network.pods() }

// loopback is where the registry listens.
func (s settings) loopback() string {
	return "127.0.0.1" + s.Registry[strings.LastIndex(s.Registry, ":"):]
}

const kubeletYAML = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 127.0.0.1
port: {{.KubeletPort}}
healthzPort: 0
tlsCertFile: {{.PKI}}/kubelet.crt
tlsPrivateKeyFile: {{.PKI}}/kubelet.key
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: {{.PKI}}/ca.crt}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix://{{.Dir}}/containerd.sock
podLogsDir: {{.Dir}}/pods
volumePluginDir: {{.Dir}}/plugins
resolvConf: /etc/resolv.conf
clusterDomain: cluster.local
cgroupDriver: cgroupfs
cgroupRoot: /{{.Cgroup}}
failCgroupV1: false
enforceNodeAllocatable: []
failSwapOn: false
oomScoreAdj: 0
makeIPTablesUtilChains: false
serializeImagePulls: false
registryPullQPS: 0
nodeStatusUpdateFrequency: 5s
# A test has no time for the usual pauses, and no say in how full the disk is.
crashLoopBackOff: {maxContainerRestartPeriod: 2s}
volumeStatsAggPeriod: 5s
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard:
  memory.available: 0%
  nodefs.available: 0%
  nodefs.inodesFree: 0%
  imagefs.available: 0%
  imagefs.inodesFree: 0%
`

const containerdTOML = `version = 3
root = "{{.Dir}}/containerd/root"
state = "{{.Dir}}/containerd/state"
disabled_plugins = [
  "io.containerd.nri.v1.nri", "io.containerd.differ.v1.erofs",
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{{.Dir}}/containerd.sock"
[ttrpc]
  address = "{{.Dir}}/containerd.sock.ttrpc"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{{.Dir}}/hosts"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{{.Pause}}"
[plugins."io.containerd.cri.v1.runtime"]
  # Without CAP_SYS_RESOURCE nobody may lower a score.
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{{.Runc}}"
      SystemdCgroup = false
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{{.CNI}}"]
    conf_dir = "{{.Dir}}/cni"
    use_internal_loopback = true
`

const hostsTOML = `server = "https://{{.Registry}}"
ca = "{{.PKI}}/ca.crt"
`

const cniJSON = `{"cniVersion": "1.0.0", "name": "quoit", "plugins": [{
  "type": "bridge", "bridge": "{{.Bridge}}", "isGateway": true,
  "ipam": {
    "type": "host-local", "dataDir": "{{.Dir}}/addresses",
    "ranges": [[{"subnet": "{{.Pods}}"}]], "routes": [{"dst": "0.0.0.0/0"}]
  }
}]}
`

// configure writes the daemons' files and chooses their ports.
func (c *Cluster) configure(built tools.Tools, pause string) (settings, error) {
	s := settings{
		Dir: c.dir, Pause: pause, Node: nodeName, Cgroup: daemon.CgroupOf(c.dir), CNI: built["cni"], Registry: c.Registry, Network: c.network, tools: built,
	}
	var err error
	if s.Runc, err = tools.Find("runc"); err != nil {
		return s, err
	}
	ports, err := c.network.freePorts(2)
	if err != nil {
		return s, err
	}
	s.APIPort, s.KubeletPort = ports[0], ports[1]
	c.API = "https://127.0.0.1:" + s.APIPort
	for file, text := range map[string]string{
		"kubelet.yaml": kubeletYAML, "containerd.toml": containerdTOML, "cni/quoit.conflist": cniJSON,
		"hosts/" + c.Registry + "/hosts.toml": hostsTOML,
	} {
		if err := s.write(file, text); err != nil {
			return s, fmt.Errorf("writing %s: %w", file, err)
		}
	}
	return s, s.writeCertificates(c.API)
}

func (s settings) write(file, text string) error {
	t, err := template.New(file).Parse(text)
	if err != nil {
		return err
	}
	var content bytes.Buffer
	if err := t.Execute(&content, s); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(filepath.Join(s.Dir, file)), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.Dir, file), content.Bytes(), 0o600)
}

func (s settings) writeCertificates(api string) error {
	a, err := newAuthority(s.PKI())
	if err != nil {
		return err
	}
	for _, c := range []struct {
		name      string
		subject   pkix.Name
		addresses []string
	}{
		{"apiserver", pkix.Name{CommonName: "kube-apiserver"},
			[]string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "127.0.0.1", s.Network.service(1)}},
		{"registry", pkix.Name{CommonName: "registry"}, []string{s.Network.service(1)}},
		{"admin", pkix.Name{CommonName: "admin", Organization: []string{"system:masters"}}, nil},
		{"kubelet", pkix.Name{CommonName: "system:node:" + s.Node, Organization: []string{"system:nodes"}},
			[]string{s.Node, "127.0.0.1"}},
	} {
		if err := a.issue(c.name, c.subject, c.addresses...); err != nil {
			return err
		}
	}
	if _, err := a.writeKey("serviceaccounts"); err != nil {
		return err
	}
	if err := a.writeKubeconfig(s.KubeletConfig(), api, "kubelet"); err != nil {
		return err
	}
	return a.writeKubeconfig(s.AdminConfig(), api, "admin")
}
