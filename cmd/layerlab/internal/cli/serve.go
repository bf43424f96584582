package cli

import (
	"github.com/spf13/cobra"
)

// serveFlags are the settings of `layerlab serve`.
type serveFlags struct {
	listen, data, run     string
	dockerSocket          string
	token, tokenFile      string
	allowHosts, embed     []string
	tlsCert, tlsKey       string
	behindProxy, teaching bool
	noSamples             bool
	read                  string // sandbox or native
	moduleCache           string
	allowBind, allowDev   []string
	allowUnconfined       bool
	rootfs                string
	runtimes              []string
	defaultRuntime        string
	network               networkFlags
	limits                *limitFlags
}

func (r *run) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use: "serve", Short: "Serve the page, keep images and run containers", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return r.serve(cmd.Context(), &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8080", "address of the page")
	addData(flags, &f.data)
	flags.StringVar(&f.run, "run", defaultRun(), "folder of sockets and mounts")
	flags.StringVar(&f.dockerSocket, "docker-socket", "", "where the docker command line finds this server; else docker.sock in the data folder")
	flags.StringVar(&f.token, "token", "", "the secret of programs; else --token-file, else one is made and kept in the data folder")
	flags.StringVar(&f.tokenFile, "token-file", "", "file that holds the secret")
	flags.StringSliceVar(&f.allowHosts, "allow-host", nil, "a further name under which the page is reached")
	flags.StringSliceVar(&f.embed, "embed-origin", nil, "the origin of a page that may show views of this one in a frame, such as https://course.example")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "certificate, PEM")
	flags.StringVar(&f.tlsKey, "tls-key", "", "its key, PEM")
	flags.BoolVar(&f.behindProxy, "behind-proxy", false, "a proxy in front speaks TLS")
	flags.BoolVar(&f.teaching, "teaching", false, "tight limits for every container: 256 MiB, one processor, 128 processes")
	flags.StringSliceVar(&f.allowBind, "allow-bind", nil, "a folder of this host that the page may mount into containers")
	flags.StringSliceVar(&f.allowDev, "allow-device", nil, "a device of this host that containers may have")
	flags.BoolVar(&f.allowUnconfined, "allow-unconfined", false, "allow containers without seccomp filter or masked paths")
	flags.StringVar(&f.rootfs, "rootfs", "", "how roots are mounted: lowerdir+, idmapped-names or shared-ids; else the best that this host can")
	flags.StringSliceVar(&f.runtimes, "runtime", nil, "a further OCI runtime by which containers may run, such as crun or crun=/usr/bin/crun")
	flags.StringVar(&f.defaultRuntime, "default-runtime", "", "the one of them for containers that ask for none; else layerlab's own")
	flags.StringVar(&f.read, "read", "sandbox", "where uploads are read: sandbox (a process of its own that can do nothing else) or native (the server's own)")
	flags.StringVar(&f.moduleCache, "module-cache", "", "folder that keeps the sandbox's translated module, which no one else can write to; else modules in the data folder")
	flags.BoolVar(&f.noSamples, "no-samples", false, "do not store the sample images")
	addNetwork(flags, &f.network)
	f.limits = addLimits(flags)
	return cmd
}
