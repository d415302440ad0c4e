"""Drives every operation of the genuine azure-mgmt-sphere against a live service.

    sdk_operations.py --url URL --token-file FILE --api-version VERSION [--ca FILE]

The SDK is not changed: it is pointed at another address and sends another token. Each check prints a
line. Ends with status 1 when a check failed, or when an operation that the SDK offers was not called.
"""

import base64
import datetime
import inspect
import sys

import rounds
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.sphere import AzureSphereMgmtClient, models

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
GROUP = "Fleet Owners"
DEFAULT_GROUPS = [
    "Development",
    "Field Test",
    "Field Test OS Evaluation",
    "Production",
    "Production OS Evaluation",
]


class Bearer(SansIOHTTPPolicy):
    """Adds the header; the SDK's own policy refuses to send a token over http."""

    def __init__(self, token):
        self.token = token

    def on_request(self, request):
        request.http_request.headers["Authorization"] = "Bearer " + self.token


class NoCredential:
    """The SDK wants one; the policy above replaces it."""

    def get_token(self, *_scopes, **_more):
        return AccessToken("unused", 0)


class Recorder:
    """Stands before a group of operations and notes which of them are called."""

    def __init__(self, name, group, called):
        self._name, self._group, self._called = name, group, called

    def __getattr__(self, operation):
        method = getattr(self._group, operation)
        self._called.add(f"{self._name}.{operation}")
        return method


GROUPS = [
    "operations",
    "catalogs",
    "certificates",
    "images",
    "products",
    "device_groups",
    "deployments",
    "devices",
]


class Round:
    """One run through everything. The checks are the methods called `test_...`, in their order."""

    def __init__(self, client, catalog, called):
        self.catalog_name = catalog
        self.where = (GROUP, catalog)
        self.device_ids = [f"{number:0128x}" for number in range(0xABC000, 0xABC007)]
        self.device = self.device_ids[0]
        for name in GROUPS:
            setattr(self, name, Recorder(name, getattr(client, name), called))

    def test_the_provider_lists_its_operations(self):
        names = [operation.name for operation in self.operations.list()]
        assert "Microsoft.AzureSphere/catalogs/read" in names, names
        assert all(name.startswith("Microsoft.AzureSphere/") for name in names)

    # ---- Catalogs -----------------------------------------------------------------------------

    def test_a_catalog_is_made_read_changed_and_listed(self):
        made = self.catalogs.begin_create_or_update(
            *self.where, models.Catalog(location="global", tags={"team": "gateways", "year": "1"})
        ).result()
        assert made.name == self.catalog_name and made.location == "global"
        assert made.type == "Microsoft.AzureSphere/catalogs"
        assert made.properties.provisioning_state == "Succeeded"
        assert len(made.properties.tenant_id) == 36
        assert isinstance(made.system_data.created_at, datetime.datetime)
        assert made.system_data.created_by and made.system_data.created_by_type
        self.tenant = made.properties.tenant_id
        read = self.catalogs.get(*self.where)
        assert read.as_dict() == made.as_dict(), (read, made)
        changed = self.catalogs.update(*self.where, models.CatalogUpdate(tags={"team": "doors"}))
        assert changed.tags["team"] == "doors", changed.tags
        assert made.id in [each.id for each in self.catalogs.list_by_resource_group(GROUP)]
        assert made.id in [each.id for each in self.catalogs.list_by_subscription()]

    def test_names_are_found_in_any_case(self):
        read = self.catalogs.get(GROUP.upper(), self.catalog_name.upper())
        assert read.name == self.catalog_name

    # ---- Products and groups --------------------------------------------------------------------

    def test_a_product_is_made_read_changed_and_listed(self):
        made = self.products.begin_create_or_update(
            *self.where,
            "DW100",
            models.Product(properties=models.ProductProperties(description="a dishwasher")),
        ).result()
        assert made.properties.description == "a dishwasher"
        assert self.products.get(*self.where, "DW100").as_dict() == made.as_dict()
        changed = self.products.begin_update(
            *self.where,
            "DW100",
            models.ProductUpdate(properties=models.ProductUpdateProperties(description="two")),
        ).result()
        assert changed.properties.description == "two"
        names = [each.name for each in self.products.list_by_catalog(*self.where)]
        assert "DW100" in names, names

    def test_the_default_groups_are_generated_once(self):
        for _ in range(2):
            groups = list(self.products.generate_default_device_groups(*self.where, "DW100"))
            assert sorted(each.name for each in groups) == DEFAULT_GROUPS, groups
        evaluating = [each.name for each in groups if each.properties.os_feed_type == "RetailEval"]
        assert sorted(evaluating) == ["Field Test OS Evaluation", "Production OS Evaluation"]
        assert {each.properties.allow_crash_dumps_collection for each in groups} == {"Disabled"}

    def test_a_group_is_made_with_consent_off(self):
        made = self.device_groups.begin_create_or_update(
            *self.where,
            "DW100",
            "My Field 1",
            models.DeviceGroup(properties=models.DeviceGroupProperties(description="a try")),
        ).result()
        properties = made.properties
        assert properties.description == "a try"
        assert properties.allow_crash_dumps_collection == "Disabled"
        assert properties.regional_data_boundary == "None"
        assert properties.os_feed_type == "Retail"
        assert properties.update_policy == "UpdateAll"
        assert properties.has_deployment is False
        assert properties.provisioning_state == "Succeeded"

    def test_a_patch_merges(self):
        changed = self.change(allow_crash_dumps_collection="Enabled")
        assert changed.properties.allow_crash_dumps_collection == "Enabled"
        assert changed.properties.description == "a try"
        changed = self.change(regional_data_boundary="EU", update_policy="No3rdPartyAppUpdates")
        assert changed.properties.allow_crash_dumps_collection == "Enabled"
        read = self.device_groups.get(*self.where, "DW100", "My Field 1")
        assert read.as_dict() == changed.as_dict(), (read, changed)
        assert read.properties.regional_data_boundary == "EU"

    def change(self, **properties):
        return self.device_groups.begin_update(
            *self.where,
            "DW100",
            "My Field 1",
            models.DeviceGroupUpdate(properties=models.DeviceGroupUpdateProperties(**properties)),
        ).result()

    def test_groups_are_listed_by_page_and_by_filter(self):
        def by_product(**query):
            found = self.device_groups.list_by_product(*self.where, "DW100", **query)
            return [each.name for each in found]

        everything = by_product()
        assert sorted(everything) == sorted(DEFAULT_GROUPS + ["My Field 1"]), everything
        assert by_product(maxpagesize=2) == everything
        assert by_product(top=3) == everything[:3]
        assert by_product(top=3, maxpagesize=2) == everything[:3]
        assert by_product(skip=2, maxpagesize=2) == everything[2:]
        assert by_product(skip=1, top=3, maxpagesize=1) == everything[1:4]
        found = by_product(filter="properties/allowCrashDumpsCollection eq 'Enabled'")
        assert found == ["My Field 1"], found
        found = by_product(filter="startswith(name, 'Field') and osFeedType ne 'RetailEval'")
        assert found == ["Field Test"], found
        pages = self.device_groups.list_by_product(*self.where, "DW100", maxpagesize=4).by_page()
        assert [len(list(page)) for page in pages] == [4, 2]

    def test_groups_of_a_catalog_are_listed_over_its_products(self):
        def by_catalog(name=None, **query):
            request = models.ListDeviceGroupsRequest(device_group_name=name)
            found = self.catalogs.list_device_groups(*self.where, request, **query)
            return [each.name for each in found]

        everything = by_catalog()
        assert set(DEFAULT_GROUPS + ["My Field 1"]) <= set(everything), everything
        # The SDK asks for the pages after the first with GET and without the body.
        assert by_catalog(maxpagesize=2) == everything
        assert by_catalog("Field Test", maxpagesize=1) == ["Field Test"]
        assert by_catalog("Nowhere") == []
        found = by_catalog(filter="regionalDataBoundary eq 'EU'")
        assert found == ["My Field 1"], found

    # ---- Devices --------------------------------------------------------------------------------

    def test_devices_are_claimed_counted_listed_and_moved(self):
        self.device_groups.begin_claim_devices(
            *self.where,
            "DW100",
            "Development",
            models.ClaimDevicesRequest(device_identifiers=self.device_ids[:5]),
        ).result()
        made = self.devices.begin_create_or_update(
            *self.where,
            "DW100",
            "Development",
            self.device_ids[5],
            models.Device(properties=models.DeviceProperties(device_id=self.device_ids[5])),
        ).result()
        assert made.properties.device_id == self.device_ids[5]
        assert self.device_groups.count_devices(*self.where, "DW100", "Development").value == 6
        assert self.products.count_devices(*self.where, "DW100").value == 6
        assert self.catalogs.count_devices(*self.where).value == 6
        listed = self.devices.list_by_device_group(*self.where, "DW100", "Development")
        assert [each.name for each in listed] == self.device_ids[:6]
        read = self.devices.get(*self.where, "DW100", "Development", self.device)
        assert read.properties.device_id == self.device
        target = self.device_groups.get(*self.where, "DW100", "My Field 1").id
        moved = self.devices.begin_update(
            *self.where,
            "DW100",
            "Development",
            self.device,
            models.DeviceUpdate(properties=models.DeviceUpdateProperties(device_group_id=target)),
        ).result()
        assert "/deviceGroups/My Field 1/devices/" in moved.id.replace("%20", " "), moved.id
        assert self.device_groups.count_devices(*self.where, "DW100", "My Field 1").value == 1

    def test_devices_of_a_catalog_are_listed_over_its_groups(self):
        listed = [each.name for each in self.catalogs.list_devices(*self.where)]
        assert sorted(listed) == self.device_ids[:6]
        paged = [each.name for each in self.catalogs.list_devices(*self.where, maxpagesize=2)]
        assert paged == listed
        one = f"deviceId eq '{self.device_ids[3]}'"
        found = [each.name for each in self.catalogs.list_devices(*self.where, filter=one)]
        assert found == [self.device_ids[3]]

    def test_insights_are_listed(self):
        for insight in self.catalogs.list_device_insights(*self.where, maxpagesize=2):
            assert insight.event_count > 0

    def test_a_capability_image_is_refused_in_words(self):
        error = refusal(
            lambda: self.devices.begin_generate_capability_image(
                *self.where,
                "DW100",
                "My Field 1",
                self.device,
                models.GenerateCapabilityImageRequest(capabilities=["ApplicationDevelopment"]),
            ).result()
        )
        assert error.status_code == 400, error
        assert error.error.code == "CapabilityNotSupported", error.error

    # ---- Images and deployments -----------------------------------------------------------------

    def test_images_are_put_uploaded_listed_and_deployed(self):
        content = base64.b64encode(b"an image of the dishwasher's firmware").decode()
        name = "5bb8f5e6-7d28-4b6c-a2d5-0b2f9ac11f01"
        made = self.images.begin_create_or_update(
            *self.where,
            name,
            models.Image(
                properties=models.ImageProperties(image=content, regional_data_boundary="EU")
            ),
        ).result()
        assert made.name == name and made.properties.image_id == name
        assert made.properties.regional_data_boundary == "EU"
        assert made.properties.image_type == "Applications"
        self.catalogs.begin_upload_image(
            *self.where,
            models.Image(
                properties=models.ImageProperties(
                    image=base64.b64encode(b"another image").decode(),
                    regional_data_boundary="None",
                )
            ),
        ).result()
        listed = list(self.images.list_by_catalog(*self.where))
        assert len(listed) == 2 and name in [each.name for each in listed]
        assert len(list(self.images.list_by_catalog(*self.where, maxpagesize=1))) == 2
        elsewhere = [each.name for each in listed if each.name != name][0]
        assert self.images.get(*self.where, name).as_dict() == made.as_dict()

        deployment = "0f0e0d0c-0b0a-4908-8706-050403020100"
        deploy = lambda image: self.deployments.begin_create_or_update(
            *self.where,
            "DW100",
            "My Field 1",
            deployment,
            models.Deployment(
                properties=models.DeploymentProperties(
                    deployed_images=[
                        models.Image(properties=models.ImageProperties(image_id=image))
                    ]
                )
            ),
        ).result()
        # The group's boundary is the EU; that image lies in the United States.
        assert refusal(lambda: deploy(elsewhere)).status_code == 409
        deployed = deploy(name)
        assert [each.name for each in deployed.properties.deployed_images] == [name]
        assert deployed.properties.deployment_id == deployment
        assert isinstance(deployed.properties.deployment_date_utc, datetime.datetime)
        read = self.deployments.get(*self.where, "DW100", "My Field 1", deployment)
        assert read.as_dict() == deployed.as_dict()
        found = self.deployments.list_by_device_group(*self.where, "DW100", "My Field 1")
        assert [each.name for each in found] == [deployment]
        assert [each.name for each in self.catalogs.list_deployments(*self.where)] == [deployment]
        group = self.device_groups.get(*self.where, "DW100", "My Field 1")
        assert group.properties.has_deployment is True
        # An image that is deployed stays.
        assert refusal(lambda: self.images.begin_delete(*self.where, name).result()).status_code == 409
        self.deployments.begin_delete(*self.where, "DW100", "My Field 1", deployment).result()
        self.images.begin_delete(*self.where, name).result()
        assert missing(lambda: self.images.get(*self.where, name))

    # ---- Certificates ---------------------------------------------------------------------------

    def test_the_catalog_shows_its_certificate_and_proves_that_it_has_the_key(self):
        listed = list(self.certificates.list_by_catalog(*self.where))
        assert len(listed) == 1, listed
        properties = listed[0].properties
        assert properties.status == "Active"
        assert self.tenant in properties.subject, properties.subject
        assert properties.not_before_utc < properties.expiry_utc
        read = self.certificates.get(*self.where, listed[0].name)
        assert read.as_dict() == listed[0].as_dict()
        chain = self.certificates.retrieve_cert_chain(*self.where, listed[0].name)
        assert base64.b64decode(chain.certificate_chain)
        nonce = "8A0F5F6D2C1B4E3A"
        proof = self.certificates.retrieve_proof_of_possession_nonce(
            *self.where,
            listed[0].name,
            models.ProofOfPossessionNonceRequest(proof_of_possession_nonce=nonce),
        )
        assert nonce in proof.subject, proof.subject
        assert base64.b64decode(proof.certificate)

    # ---- Refusals -------------------------------------------------------------------------------

    def test_what_the_service_refuses_says_why(self):
        wrong = refusal(lambda: self.change(allow_crash_dumps_collection="Maybe"))
        assert wrong.status_code == 400 and wrong.error.code == "InvalidRequestContent", wrong
        assert wrong.error.target == "properties.allowCrashDumpsCollection", wrong.error.target
        assert "Enabled, Disabled" in wrong.error.message
        wrong = refusal(
            lambda: list(
                self.device_groups.list_by_product(*self.where, "DW100", filter="name eq Field")
            )
        )
        assert wrong.status_code == 400 and wrong.error.target == "$filter", wrong.error
        assert missing(lambda: self.products.get(*self.where, "Nothing"))
        assert missing(lambda: self.device_groups.get(*self.where, "DW100", "Nothing"))

    # ---- Deletions, from the inside out -----------------------------------------------------------

    def test_everything_is_deleted_again(self):
        full = refusal(lambda: self.products.begin_delete(*self.where, "DW100").result())
        assert full.status_code == 409, full
        for group, devices in [("My Field 1", [0]), ("Development", [1, 2, 3, 4, 5])]:
            for number in devices:
                self.devices.begin_delete(
                    *self.where, "DW100", group, self.device_ids[number]
                ).result()
        self.device_groups.begin_delete(*self.where, "DW100", "My Field 1").result()
        assert missing(lambda: self.device_groups.get(*self.where, "DW100", "My Field 1"))
        # What is not there is deleted already.
        self.device_groups.begin_delete(*self.where, "DW100", "My Field 1").result()
        self.products.begin_delete(*self.where, "DW100").result()
        self.catalogs.begin_delete(*self.where).result()
        assert missing(lambda: self.catalogs.get(*self.where))


def refusal(call):
    """The error that a call ends with."""
    try:
        call()
    except HttpResponseError as error:
        assert error.error is not None, f"no error envelope: {error}"
        return error
    raise AssertionError("was not refused")


def missing(call):
    try:
        call()
    except ResourceNotFoundError as error:
        return error.error is not None and bool(error.error.message)
    return False


def offered(client):
    """The names of all operations that the SDK has."""
    return {
        f"{group}.{name}"
        for group in GROUPS
        for name, _ in inspect.getmembers(type(getattr(client, group)), inspect.isfunction)
        if not name.startswith("_")
    }


def main():
    parser = rounds.options(__doc__)
    parser.add_argument("--api-version", required=True)
    parser.add_argument("--ca", help="certificates to trust over TLS")
    arguments = parser.parse_args()
    more = {"connection_verify": arguments.ca} if arguments.ca else {}
    client = AzureSphereMgmtClient(
        NoCredential(),
        SUBSCRIPTION,
        base_url=arguments.url,
        authentication_policy=Bearer(rounds.token(arguments)),
        api_version=arguments.api_version,
        **more,
    )
    called = set()
    run = Round(client, "sdk-" + arguments.api_version.replace(".", "-"), called)
    checks, failures = rounds.run(run)
    forgotten = offered(client) - called
    for operation in sorted(forgotten):
        print("FAILED never called:", operation)
    print(f"{len(called)} operations, {checks} checks, {failures + len(forgotten)} failures")
    return 1 if failures or forgotten else 0


if __name__ == "__main__":
    sys.exit(main())
