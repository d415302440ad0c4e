"""Asks a live service for crash dump collection as published scripts of the older public API do.

    older_dialect.py --url URL --token-file FILE

Expects two catalogs, `first` with the groups One and Two and `second` with Three, and consent for none
of them. What is sent, and what of an answer counts, is what those scripts send and read: a session that
retries, a bearer header, JSON with a boolean, exactly status 200, and errors in an array. Over TLS it
trusts what REQUESTS_CA_BUNDLE names, as whoever runs such a script unchanged has to. Each check prints a
line. Ends with status 1 when one failed.
"""

import re
import sys

import requests
import rounds
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

GUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
MEMBERS = {
    "Id",
    "TenantId",
    "OsFeedType",
    "ProductId",
    "Name",
    "Description",
    "CurrentDeployment",
    "UpdatePolicy",
    "AllowCrashDumpsCollection",
}


class OlderAPI:
    """The calls, each of which answers the JSON of a 200 or the list of errors of anything else."""

    def __init__(self, url, token):
        self.base = url + "/v2"
        self.headers = {"Authorization": "Bearer " + token}
        self.session = requests.Session()
        adapter = HTTPAdapter(max_retries=Retry(total=3, status_forcelist=[500, 429]))
        self.session.mount("https://", adapter)
        self.session.mount("http://", adapter)

    def get(self, path):
        return self.read(self.session.get(self.base + path, headers=self.headers))

    def patch(self, path, body):
        return self.read(self.session.patch(self.base + path, json=body, headers=self.headers))

    @staticmethod
    def read(response):
        if response.status_code == 200:
            return response.json()
        return Refusal(response)

    def tenants(self):
        return {each["Name"]: each["Id"] for each in self.get("/tenants")}

    def groups(self, tenant):
        return self.get(f"/tenants/{tenant}/devicegroups")["Items"]

    def group(self, tenant, group):
        return self.get(f"/tenants/{tenant}/devicegroups/{group}")

    def set(self, tenant, group, is_on):
        path = f"/tenants/{tenant}/devicegroups/{group}"
        return self.patch(path, {"AllowCrashDumpsCollection": is_on})


class Refusal:
    """An answer that is not 200: its status and its errors as (name, words)."""

    def __init__(self, response):
        self.status = response.status_code
        self.errors = [(each["ErrorCode"], each["Title"]) for each in response.json()]
        assert self.errors, "an array without an error"


class Round:
    """One run. The checks are the methods called `test_...`, in their order."""

    def __init__(self, api):
        self.api = api

    def test_both_catalogs_are_tenants_with_ids(self):
        tenants = self.api.get("/tenants")
        names = {each["Name"] for each in tenants}
        assert {"first", "second"} <= names, names
        for each in tenants:
            assert GUID.fullmatch(each["Id"]) and isinstance(each["Roles"], list), each

    def test_every_group_of_a_tenant_is_listed_with_consent_off(self):
        for name, tenant in self.api.tenants().items():
            groups = self.api.groups(tenant)
            names = sorted(each["Name"] for each in groups)
            wanted = {"first": ["One", "Two"], "second": ["Three"]}[name]
            assert names == wanted, names
            for each in groups:
                assert set(each) == MEMBERS, each
                assert GUID.fullmatch(each["Id"]) and GUID.fullmatch(each["ProductId"]), each
                assert each["TenantId"] == tenant
                assert each["AllowCrashDumpsCollection"] is False
                assert each["OsFeedType"] == 0 and each["UpdatePolicy"] == 0

    def test_one_group_is_set_on_and_the_others_stay(self):
        tenant = self.api.tenants()["first"]
        one, two = sorted(self.api.groups(tenant), key=lambda each: each["Name"])
        answer = self.api.set(tenant, one["Id"], True)
        assert answer == {**one, "AllowCrashDumpsCollection": True}, answer
        assert self.api.group(tenant, one["Id"]) == answer
        assert self.api.group(tenant, two["Id"]) == two

    def test_all_groups_of_all_tenants_are_set_on_and_off(self):
        for is_on in [True, False, False]:
            for tenant in self.api.tenants().values():
                for each in self.api.groups(tenant):
                    answer = self.api.set(tenant, each["Id"], is_on)
                    assert answer["AllowCrashDumpsCollection"] is is_on
            found = [
                each["AllowCrashDumpsCollection"]
                for tenant in self.api.tenants().values()
                for each in self.api.groups(tenant)
            ]
            assert found == [is_on] * 3, found

    def test_ids_are_taken_in_capitals(self):
        tenant = self.api.tenants()["second"]
        group = self.api.groups(tenant)[0]
        assert self.api.group(tenant.upper(), group["Id"].upper()) == group

    def test_a_tenant_that_is_not_there_is_refused(self):
        nobody = "00000000-1111-2222-3333-444444444444"
        tenant = self.api.tenants()["first"]
        group = self.api.groups(tenant)[0]["Id"]
        for refusal in [
            self.api.get(f"/tenants/{nobody}/devicegroups"),
            self.api.group(nobody, group),
            self.api.set(nobody, group, True),
            self.api.group(tenant, nobody),
            self.api.set(tenant, nobody, True),
            # A group of another tenant.
            self.api.group(self.api.tenants()["second"], group),
        ]:
            assert refusal.status == 404, (refusal.status, refusal.errors)
            assert all(name and words for name, words in refusal.errors)

    def test_what_is_no_boolean_is_refused(self):
        tenant = self.api.tenants()["first"]
        group = self.api.groups(tenant)[0]["Id"]
        path = f"/tenants/{tenant}/devicegroups/{group}"
        for value in ["on", 1, None, []]:
            refusal = self.api.patch(path, {"AllowCrashDumpsCollection": value})
            assert isinstance(refusal, Refusal) and refusal.status == 400, (value, refusal)
        assert self.api.group(tenant, group)["AllowCrashDumpsCollection"] is False

    def test_a_wrong_token_is_refused(self):
        other = OlderAPI(self.api.base[: -len("/v2")], "wrong")
        refusal = other.get("/tenants")
        assert refusal.status == 401, refusal.status


def main():
    arguments = rounds.options(__doc__).parse_args()
    checks, failures = rounds.run(Round(OlderAPI(arguments.url, rounds.token(arguments))))
    print(f"{checks} checks, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
