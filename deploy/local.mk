# deploy/: units, users, udev rules; the lab has a local.mk of its own
systemdsystemunit_DATA = deploy/systemd/holdfast-hypervisord.service deploy/systemd/holdfast-clusterd.service \
	deploy/systemd/holdfast.slice
sysusersdir = $(prefix)/lib/sysusers.d
udevrulesdir = $(prefix)/lib/udev/rules.d
udevrules_DATA = deploy/systemd/65-holdfast-drbd.rules
EXTRA_DIST += $(systemdsystemunit_DATA) $(udevrules_DATA) deploy/systemd/holdfast.sysusers deploy/packages deploy/setup.sh .ci/run

install-data-hook:
	$(MKDIR_P) $(DESTDIR)$(sysusersdir)
	$(INSTALL_DATA) $(top_srcdir)/deploy/systemd/holdfast.sysusers $(DESTDIR)$(sysusersdir)/holdfast.conf

uninstall-hook:
	rm -f $(DESTDIR)$(sysusersdir)/holdfast.conf
