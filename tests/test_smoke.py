def test_martine_signs_in_and_lists_absences(cast, anonymous, sign_in):
    from .factories import PASSWORD, AbsenceFactory

    answer = anonymous.post("/api/v1/auth/sign_in", {"email": cast.martine.email, "password": PASSWORD})
    assert answer.status_code == 200, answer.content
    AbsenceFactory(agent=cast.bruno)
    answer = sign_in(cast.martine).get("/api/v1/absences")
    assert answer.json()["meta"]["total_count"] == 1
