holdfast_unit(identity
  SOURCES identity_assigned_test.cpp identity_observer_test.cpp identity_unit_test.cpp identity_peer_test.cpp identity_namespace_test.cpp
    identity_processes_test.cpp
  LIBRARIES holdfast_identity holdfast_observer PkgConfig::systemd PkgConfig::seccomp)
