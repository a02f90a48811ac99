using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [
    (name = "merchant", address = "127.0.0.1:0", http = (), service = "main"),
    (name = "host", address = "127.0.0.1:0", http = (), service = (name = "main", entrypoint = "host")),
  ],
);

const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "../../.cache/runtimes/host.mjs")],
  # The oldest date that the package supports. nodejs_compat is the default since 2026-08-04.
  compatibilityDate = "2026-11-01",
);
